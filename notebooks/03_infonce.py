# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Do wider students keep more information?
#
# **The question.** If all students span equally many directions, what does a {term}`wider <width>` one gain?
#
# **What the paper says** {cite:p}`thayani2026v1`. Two measures improve a little with every step in width. The
# {term}`InfoNCE` loss, which asks how well a student's embedding picks the teacher's embedding of the same image out of
# a batch, falls from 3.3117 to 3.2738 *(paper)*. The {term}`uniformity` loss, which asks how evenly embeddings cover
# the sphere, falls from −0.4061 to −0.4285 *(paper)*. Both rest on one {term}`seed`. In this chapter, InfoNCE is only a
# measure; {doc}`chapter 6 <06_expansion>` trains with it.

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
from asymdistill.config.names import THIS_COPY
from asymdistill.plots import information, scorecard, tables
from asymdistill.study import Evidence, Study

study = Study.open(profile, overrides, runs_dir)
evidence = Evidence(study, recorded)
Markdown(evidence.description("information"))

# %% [markdown]
# ## The claims of this chapter
#
# The column *paper* has the paper's value and, below it, the claimed range. The other columns have the {term}`verdict`,
# with the measured value and, where it varies with the {term}`seed`, its 95 % interval: on the largest {term}`recorded
# run` of photographs that can judge the claim, and on this copy. An order of several widths has to hold at every step;
# its number is the difference between the two ends. Absolute numbers are judged only in the paper's own setting.
# {doc}`The scorecard <09_scorecard>` has the reasons.

# %%
answers = judge(evidence, ["v1-order-infonce", "v1-order-uniformity"])
HTML(scorecard.answers(answers))

# %% tags=["nbval-check-output", "remove-cell"]
print(scorecard.lines(answers))

# %% [markdown]
# ## Both measures, beside the paper's
#
# Both are computed within consecutive batches of test images, as the paper's notebook does, and averaged over the
# batches. For both, lower is better. The paper's values are for CIFAR-10 and CLIP ViT-B/32; with other images or
# another teacher, only the order of the students can be compared. *photographs* is the {term}`recorded run` named at
# the top and *this copy* the run behind this copy of the book, both as mean ± standard deviation over the seeds. Where
# there are several widths, the last row is the widest student minus the narrowest, paired by seed.

# %%
# | name: tab-information
# | caption: >-
# |   InfoNCE and uniformity loss of each student, beside the paper's values. Lower is better.
measured = evidence.baseline("information")
table = tables.for_readers(information.table(measured))
glue("table_information", table, display=False)
table

# %% mystnb={"image": {"alt": "InfoNCE and uniformity loss of each student, one dot per seed"}}
# | name: fig-information
# | caption: >-
# |   InfoNCE loss (left) and uniformity loss (right) of each student, one mark per seed. Open marks are the paper's
# |   values.
figure = information.losses(measured)
glue("fig_infonce", figure, display=False)

# %% [markdown]
# ## The estimator matters
#
# InfoNCE gives a lower bound on the mutual information between student's and teacher's embeddings: the logarithm of the
# batch size minus the loss {cite:p}`oord2018`. The bound cannot exceed that logarithm, whatever the true value. The
# paper's uniformity counts each point's zero distance to itself among the pairs of a batch, which pulls it towards 0.
# The table below also has it without those self-pairs, and over all pairs of the test set, in this copy.

# %%
# | name: tab-information-estimators
# | caption: >-
# |   The bound on mutual information, and uniformity by estimator, of this copy's models; the teacher's bound is with
# |   itself.
tables.for_readers(information.estimators(measured[THIS_COPY]))

# %% [markdown]
# ## What it means
#
# **How to read it.** If width adds information, both losses fall from each student to the next wider one, and the last
# row is negative by more than about three times the number after ±, which with three seeds is half the width of its
# 95 % interval. A last row nearer to zero shows no effect of width. One loss may fall without the other: InfoNCE
# compares a student with its teacher, image by image, while uniformity looks at the student alone. A student can spread
# out more evenly without matching its teacher any better.
#
# If width lowers InfoNCE although the ranks in {doc}`chapter 1 <01_collapse>` are equal, the wider students use as many
# directions with more precision.
#
# **How sure are we?** Compare the differences between widths with the differences between seeds: the marks of one row
# in the figure are the same network, trained from different seeds. The paper gives one seed, so there is no spread to
# compare its own differences with. They are small, too: from S to L, about 1 % of the InfoNCE loss and 6 % of the
# uniformity loss.
