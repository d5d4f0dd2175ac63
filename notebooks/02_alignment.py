# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which of the teacher's directions do students keep?
#
# **The question.** If a {term}`student` spreads over fewer directions than its {term}`teacher`, are those the teacher's
# strongest ones? And do students of different widths keep the same ones?
#
# **What the paper says** {cite:p}`thayani2026v1`. The {term}`alignment` curves of the three students cannot be told
# apart, and the teacher's top 20 {term}`principal components <principal component>` hold over 90 % of a student's
# variance *(paper)*; distillation acts like a truncated principal component analysis. The released figure itself reads
# about 0.87 at 20 components *(read off the paper's figure)*.

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
from asymdistill.plots import alignment, scorecard, tables
from asymdistill.study import Evidence, Study

study = Study.open(profile, overrides, runs_dir)
evidence = Evidence(study, recorded)
Markdown(evidence.description("alignment"))

# %% [markdown]
# ## The claims of this chapter
#
# The column *paper* has the paper's value and, below it, the claimed range. The other columns have the {term}`verdict`,
# with the measured value and, where it varies with the {term}`seed`, its 95 % interval: on the largest {term}`recorded
# run` of photographs that can judge the claim, and on this copy. An order of several widths has to hold at every step;
# its number is the difference between the two ends. Absolute numbers are judged only in the paper's own setting.
# {doc}`The scorecard <09_scorecard>` has the reasons.

# %%
answers = judge(evidence, ["v1-share20", "v1-alignment-same", "v1-truncation"])
HTML(scorecard.answers(answers))

# %% tags=["nbval-check-output", "remove-cell"]
print(scorecard.lines(answers))

# %% [markdown]
# ## The curves
#
# Take the principal components of the teacher's centred test embeddings, in order of strength. Project a student's
# centred embeddings on them, and add up the share of the student's variance that the first *k* hold. The teacher's own
# curve shows how concentrated the teacher is.

# %% mystnb={"image": {"alt": "Cumulative share of each model's variance within the teacher's leading components"}}
# | name: fig-alignment
# | caption: >-
# |   Share of each model's variance within the teacher's leading components, by the number of components. Open
# |   circles are the paper's value for its students.
shares = evidence.baseline("alignment")
figure = alignment.shares(shares)
glue("fig_alignment", figure, display=False)

# %% [markdown]
# ## In numbers
#
# Each column is a number of leading components; the entries are cumulative shares, mean ± standard deviation over the
# seeds. The paper's row has what its text states; its figure shows less.

# %%
# | name: tab-alignment
# | caption: >-
# |   Share of each model's variance within the teacher's leading components, by the number of components.
for key, value in alignment.numbers(shares[THIS_COPY]).items():
    glue(key, value, display=False)
table = tables.for_readers(alignment.table(shares))
glue("table_alignment", table, display=False)
table

# %% [markdown]
# ## What it means
#
# **How to read it.** Compare the students with the teacher first. A student's curve above the teacher's means that the
# student is concentrated on the teacher's strong directions, as after a truncated principal component analysis. A curve
# below the teacher's means that the student spreads over directions that matter little to the teacher. Two equal curves
# mean that the student copied the teacher's shape as a whole.
#
# Then compare the students with each other. The paper says that their curves coincide. Where two means differ by little
# more than their spreads over the seeds, this run cannot tell the widths apart.
#
# A teacher that is itself concentrated in a few components makes every curve steep. So a share over 0.90 at 20
# components says little by itself: read it beside the teacher's own share in the same column.
#
# **How sure are we?** A curve that rises steeply says that the student's variance lies where the teacher's does. It
# does not say that the student matches the teacher image by image; the training loss in {doc}`chapter 1 <01_collapse>`
# does. A student that learned only the class means would have a steep curve, too.
