"""Chapter 2: shares at a few numbers of components, and at the paper's 20."""

import study_tables

from asymdistill.plots import alignment, selection


def test_the_table_has_a_few_components() -> None:
    rows = study_tables.alignment((1.0, 2.0))
    shown = alignment.table({"photographs": rows.query("model != 'M'"), "this copy": rows})
    assert list(shown.columns) == ["from", "model", 1, 2, 5, 10, 20]
    own = selection.pick(rows, model="teacher", component=20)["share"].iloc[0]
    by_model = shown.set_index(["from", "model"])
    assert by_model.loc[("this copy", "teacher"), 20] == f"{own:.3f}"
    assert by_model.loc[("paper", "students, at least")].tolist() == ["–", "–", "–", "–", "0.900"]
    assert list(by_model.index.get_level_values(0)) == ["paper", *["photographs"] * 2, *["this copy"] * 3]


def test_the_students_shares_are_those_at_20_components() -> None:
    rows = study_tables.alignment((1.0, 2.0))
    own = selection.pick(selection.students_of(rows), component=20)["share"]
    assert alignment.numbers(rows) == {"share20_min": own.min(), "share20_max": own.max()}
    assert {type(value) for value in alignment.numbers(rows).values()} == {float}


def test_an_embedding_of_fewer_components_is_read_at_its_last() -> None:
    rows = study_tables.alignment((1.0,))
    few = rows[rows["component"] <= 10]
    own = selection.pick(selection.students_of(rows), component=10)["share"]
    assert alignment.numbers(few)["share20_max"] == own.max()
