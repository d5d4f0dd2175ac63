import copy

import torch
from torch import nn

from asymdistill.models.folding import folded
from asymdistill.models.students import Design, build


def test_a_student_gives_the_same_embeddings_with_fewer_layers_and_stays_as_it_was() -> None:
    student = build(Design(1.0), 32, seed=7)
    with torch.no_grad():
        for _ in range(3):  # statistics of batch normalisation that are not those of a new network
            student(3.0 * torch.randn(16, 3, 32, 32) + 1.0)
    student.eval()
    before = copy.deepcopy(student.state_dict())
    inputs = torch.randn(8, 3, 32, 32)
    network = folded(student)
    with torch.no_grad():
        torch.testing.assert_close(network(inputs), student(inputs), rtol=1e-4, atol=1e-5)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in student.state_dict().items())


def test_a_network_without_batch_normalisation_is_copied() -> None:
    student = build(Design(1.0, architecture="transformer"), 32, seed=7).eval()
    inputs = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(folded(student)(inputs), student(inputs))
