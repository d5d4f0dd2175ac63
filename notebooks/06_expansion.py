# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does a contrastive term bring the rank back?
#
# **The question.** According to the first paper, students of the {term}`cosine <cosine distance>` loss use few
# dimensions. What happens when a second term asks them to tell images apart? Does the {term}`rank <effective rank>`
# grow, by how much, and what are the new dimensions good for?
#
# **What the paper says** {cite:p}`thayani2026v2`. The second paper adds an {term}`InfoNCE` term to the loss. On
# CIFAR-10 with CLIP, it reports that the effective rank grows from about 16 *(paper)* to about 38 *(paper)*, a factor
# of 2.4 *(paper)*; that the {term}`spectrum` then follows the teacher's; and that the {term}`collapse` is caused by the
# objective. The part of its text that we have gives neither the weight of the term nor its temperature, and does not
# say whether the positives are the teacher's embeddings or a second view of the image.
#
# **What is ours.** The weight is 1. The temperature is 0.1, as in the paper's own InfoNCE measurement. The positive of
# an image is the teacher's embedding of the same image; its negatives are the teacher's embeddings of the rest of the
# batch. All of these are settings; those that the {term}`profile` names in `sweeps` are varied below. {doc}`Methods
# <../book/methods>` has the equations.

# %% tags=["hide-input"]
# Where the package is missing, as on Colab, fetch this book's repository and install it from there.
from importlib.util import find_spec

repository = ""
if repository and not find_spec("asymdistill"):
    from IPython import get_ipython

    get_ipython().system(f"git clone --quiet --depth 1 {repository} book")
    get_ipython().run_line_magic("pip", "install --quiet './book[book]'")
    get_ipython().run_line_magic("cd", "-q book/notebooks")

# %% tags=["parameters"]
profile = "embedded"
overrides = {}
runs_dir = None
recorded = "results"

# %%
# %matplotlib inline
from IPython.display import HTML, Markdown
from myst_nb import glue

from asymdistill.builder.answers import judge
from asymdistill.claims import ledger
from asymdistill.config.names import THIS_COPY
from asymdistill.plots import expansion as figures
from asymdistill.plots import expansion_tables as tables
from asymdistill.plots import scorecard
from asymdistill.plots.tables import for_readers
from asymdistill.study import Evidence, Study

study = Study.open(profile, overrides, runs_dir)
evidence = Evidence(study, recorded)
Markdown(evidence.description("expansion"))

# %% [markdown]
# ## The claims of this chapter
#
# The column *paper* has the paper's value and, below it, the claimed range. The other columns have the {term}`verdict`,
# with the measured value and, where it varies with the {term}`seed`, its 95 % interval: on the largest {term}`recorded
# run` of photographs that can judge the claim, and on this copy. An order of several widths has to hold at every step;
# its number is the difference between the two ends. Absolute numbers are judged only in the paper's own setting.
# {doc}`The scorecard <09_scorecard>` has the reasons.

# %%
answers = judge(
    evidence,
    ["v2-infonce-rank", "v2-expansion", "v2-expands", "v2-spectrum-follows", "v1-infonce-decouples-0.1"],
)
HTML(scorecard.answers(answers))

# %% tags=["nbval-check-output", "remove-cell"]
print(scorecard.lines(answers))

# %%
expansion = evidence.table("expansion")
own = expansion[THIS_COPY]
gains = own[own["comparison"] == "gains"]
paper = ledger.stated()
for key, value in tables.numbers(own).items():
    glue(key, value, display=False)

# %% [markdown]
# In the figures, filled markers and solid lines are students of the cosine loss alone. Open markers and dashed lines
# are students with InfoNCE beside it: the same networks, the same seeds, the same order of the images. In the tables,
# numbers are means ± standard deviations. A factor or a change is taken between two students of the same width and
# {term}`seed`, before it is averaged. *photographs* is the recorded run named at the top, *this copy* the run behind
# this copy of the book; a figure without these names is of this copy.
#
# ## The rank
#
# | explanation of the collapse | rank with InfoNCE | where the new variance lies |
# | :--- | :--- | :--- |
# | the cosine loss drops directions that cost it little | rises at every width | where the teacher has its own |
# | the network cannot hold more | stays the same | |
# | the students spread without learning more of the teacher | may rise | much of it elsewhere |

# %% mystnb={"image": {"alt": "Effective rank by model and objective, and the factor between the two objectives"}}
# | name: fig-expansion-ranks
# | caption: >-
# |   Effective rank by model and objective (left), and the factor between the two objectives (right), one mark per
# |   seed. The dotted line is the paper's factor.
figure = figures.ranks(expansion, published=paper["v2-expansion"])
glue("fig_expansion_ranks", figure, display=False)

# %%
# | name: tab-expansion
# | caption: >-
# |   Effective rank of each student without and with the InfoNCE term, and the factor between the two.
table_expansion = for_readers(tables.ranks(expansion))
glue("table_expansion", table_expansion, display=False)
table_expansion

# %% [markdown]
# **How to read it.** The factor is the rank with InfoNCE divided by the rank without it. Its range tells more than its
# mean: if even the smallest factor is above 1, every student gained. Compare the ranks with the teacher's as well. A
# student's rank above the teacher's means that its variance is spread more evenly than the teacher's, or that it lies
# elsewhere. If the factor stays near 1, the first explanation fails for this term at this weight. A rise shows that the
# network can hold more than it did. It does not say what the new dimensions contain; that is asked below.
#
# The dotted line is the paper's factor, for CLIP and CIFAR-10. The verdicts on this copy: on a factor above 1,
# {verdict}`v2-expands`; on the spectrum following the teacher's more closely, {verdict}`v2-spectrum-follows`.
#
# ## The spectrum
#
# The paper's first figure shows singular values on a logarithmic scale. Here is the share of the variance in each
# component, mean and range over the seeds.

# %% mystnb={"image": {"alt": "Share of the variance in each component, teacher and students of both objectives"}}
# | name: fig-expansion-spectra
# | caption: >-
# |   Share of the variance in each principal component, on the axes of chapter 1: the teacher, and students of both
# |   objectives.
figure = figures.spectra(evidence.table("singular_values", of="expansion"))
glue("fig_expansion_spectra", figure, display=False)

# %% [markdown]
# **How to read it.** A short spectrum falls steeply; a full one stays level and falls late. If InfoNCE works as the
# paper says, the dashed lines lie between the solid ones and the teacher's. Lines that agree show that variance is
# distributed alike, not that the components are the same: the directions behind two equal spectra can differ.
#
# ## What the new dimensions are good for
#
# A higher rank does not make a better student. Here are four questions about the same embeddings. Can a {term}`linear
# probe` read the classes? Do the nearest neighbours share them? Are the nearest neighbours the teacher's own? And how
# much of the variance lies in the components that hold 90 % of the teacher's?

# %% mystnb={"image": {"alt": "Probe, neighbours, shared neighbours and aligned variance by model and objective"}}
# | name: fig-expansion-worth
# | caption: >-
# |   What the embeddings are good for, by model and objective: accuracy of a linear probe and of nearest neighbours,
# |   neighbours shared with the teacher, and variance within the teacher's components.
figure = figures.worth(gains)
glue("fig_expansion_worth", figure, display=False)

# %% mystnb={"image": {"alt": "Accuracy under noise of the teacher and of students of both objectives"}}
# | name: fig-expansion-noise
# | caption: >-
# |   Accuracy under noise of the teacher and of students of both objectives. The dotted line is guessing.
figure = figures.noise(expansion, chance=evidence.chance("expansion"))
glue("fig_expansion_noise", figure, display=False)

# %%
# | name: tab-expansion-worth
# | caption: >-
# |   What the embeddings are good for, by objective, and the change from the first to the second, paired by student.
for_readers(tables.worth(expansion))

# %% [markdown]
# **How to read it.** A change is positive where the measure rises from the cosine loss to InfoNCE. For the cosine
# distance, a rise means a worse copy. Students that learned more of the teacher share more neighbours with it, and the
# share of variance in its components stays high. If that share falls while the rank rises, part of the new variance
# lies where the teacher has little: it is spread, not knowledge. A range of changes that includes zero means that some
# students gained and others lost. Accuracy depends on the classes that are asked for; a dimension that this probe
# cannot use may matter to another task.
#
# ## Does longer training do the same?
#
# The term may only teach the student sooner what the cosine loss would teach it in time. The first control ([chapter
# 8](08_controls.ipynb)) trains the narrowest student for longer, without any term.

# %%
# | name: tab-expansion-longer
# | caption: >-
# |   Effective rank of the narrowest student by objective and number of epochs.
for_readers(tables.longer(gains, study.controls(), epochs=study.settings.epochs))

# %% [markdown]
# **How to read it.** Compare the long training without InfoNCE with the short one with it. If longer training reaches
# the same rank, the term saves time, and that may be all. If it stays below, the term does something that more of the
# same training has not done by then. The table cannot show what still more epochs would do.
#
# ## Weight, temperature, batch size
#
# Here is the narrowest student, with one setting varied at a time. A larger batch gives InfoNCE more negatives, but it
# also gives every student fewer steps. Where the batch size is varied, students of the cosine loss alone are therefore
# shown, too.

# %% mystnb={"image": {"alt": "Rank and accuracy against weight, temperature and batch size"}}
# | name: fig-sweeps
# | caption: >-
# |   Effective rank (above) and accuracy (below) of the narrowest student against the weight and the temperature of the
# |   InfoNCE term and the batch size, as far as the profile varies them.
figure = figures.sweeps(own)
glue("fig_expansion_sweeps", figure, display=False)

# %%
# | name: tab-sweeps
# | caption: >-
# |   Effective rank and accuracy of the narrowest student by what was varied.
for_readers(tables.sweeps(expansion))

# %% [markdown]
# **How to read it.** A weight of 0 is the cosine loss alone. If the rank grows steadily with the weight, the paper's
# factor is the result of a choice, and other choices give other factors. Look at rank and accuracy together: where the
# rank rises and accuracy falls, the term spreads embeddings at the expense of what the probe can read. For the batch
# size, only the distance between the two lines tells what InfoNCE does; what both lines do may come from the number of
# steps. Varying one setting at a time does not show how settings act together.
#
# ## Other ways to the same end
#
# InfoNCE is not the only term that works against collapse. A profile can also train the narrowest student in other
# ways: with InfoNCE between two views of an image, as in the first paper's outlook (SimCLR's loss); with VICReg's
# variance and covariance terms; with a term for uniformity on the sphere; and with whitened targets and no term at all.
# The table has those that were trained; a run with two rows alone says nothing here.

# %% mystnb={"image": {"alt": "Rank, accuracy and shared neighbours of the narrowest student by objective"}}
# | name: fig-alternatives
# | caption: >-
# |   The narrowest student by what it was trained for: effective rank, accuracy without and with noise, and
# |   neighbours shared with the teacher.
figure = figures.alternatives(own)
glue("fig_expansion_alternatives", figure, display=False)

# %%
# | name: tab-alternatives
# | caption: >-
# |   The narrowest student by what it was trained for.
for_readers(tables.alternatives(expansion))

# %% [markdown]
# **How to read it.** Order the objectives once by rank, once by accuracy, and once by neighbours shared with the
# teacher. If the three orders agree, rank is a good guide to quality here. If an objective leads in rank and trails in
# the others, it is not. And if other objectives raise the rank as much as InfoNCE does, the gain is not specific to a
# contrastive term.
#
# **How sure are we?** Seeds change the initial weights and the order of the images; the spread over them is in every
# table. All objectives had the same number of steps, and none was tuned: at other settings, or after longer training,
# another objective may come first. A term that spreads embeddings can raise the rank whether or not anything is
# learned. Even a network that was not trained at all has a rank ([chapter 8](08_controls.ipynb)). The rank alone is
# therefore no evidence of quality.
