# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which claims of the papers hold?
#
# **The question.** Two versions of one paper, {cite:t}`thayani2026v1` and {cite:t}`thayani2026v2`, make claims in
# numbers and in words. Which of them does a run of this repository bear out?
#
# **How to read this page.** Each claim has a row: the claim in our words, the paper's number, the number measured here
# with its 95 % interval over seeds, a verdict, and the reason for the verdict with the numbers behind it. The claims
# are kept as data in the ledger, the file `claims.toml` of the package; no verdict is written by hand.

# %% tags=["parameters"]
profile = "embedded"
overrides = {}
runs_dir = None

# %%
# %matplotlib inline
from IPython.display import HTML, Markdown
from myst_nb import glue

from asymdistill.builder import prose
from asymdistill.claims import evaluate, summary
from asymdistill.plots import scorecard
from asymdistill.study import Study

study = Study.open(profile, overrides, runs_dir)
Markdown(study.description())

# %%
ledger = evaluate.evaluate(study)
reading = summary.summarise(ledger)
for key, value in reading.items():
    glue(key, value, display=False)
Markdown(reading["scorecard_summary"])

# %% [markdown]
# ## How a verdict is made
#
# There are three verdicts: `reproduced`, `not reproduced`, and `not testable here`. The measured value of a model is
# the mean over its seeds, with a confidence interval from Student's t. If a claim is about several models, the least
# favourable one decides. Each claim uses one of these tests:
#
# | test | the claim holds where |
# | :--- | :--- |
# | `equal` | the measured value is within the tolerance of the paper's |
# | `count` | the same, for numbers that are counted rather than measured over seeds |
# | `at_least`, `at_most` | the measured value is on the claimed side of a limit |
# | `same` | the two models that are furthest apart are within the tolerance of each other |
# | `order` | each model is above the one before it, and the 95 % interval of last minus first excludes 0 |
#
# Differences between models are paired by seed. The tolerance is twice the spread that the paper gives, or 5 % of its
# value if it gives none; an entry with another tolerance says why in the ledger. Only `order` uses the interval to
# decide. A value near a limit gets a verdict as well, and its reason says if the interval reaches beyond the limit.
# Nothing is decided about a difference between trained models on a single seed.
#
# There are three kinds of evidence. `static` needs no run: parameters are counted, and the papers' own numbers are
# compared with each other. `same setting` is a run with the paper's images, teacher and training. `another setting` is
# any other run: absolute values are not judged there, but orderings, ratios and limits are, as evidence from other
# data.

# %% [markdown]
# ## At a glance

# %%
HTML(scorecard.in_words(summary.counts(ledger)))

# %% [markdown]
# ## Every claim
#
# The filters narrow the table; `words` finds the rows that contain all the words typed. The small name below a claim
# is its link; other chapters refer to it.

# %%
HTML(scorecard.table(ledger))

# %% [markdown]
# ## The paper's values and the measured ones
#
# All claims for which the paper gives a number and this run measured one. Each panel has one quantity and one unit. A
# claim about a difference between models is in a panel of differences; for an order, positive is as claimed. Open
# diamonds are the paper's values; a grey band is the tolerance around them. The shape and colour of a filled mark give
# the verdict, and a line is the 95 % interval over seeds. Pale marks with dashed lines were measured in another setting
# than the paper's: their distance from the diamond is not an error.

# %% mystnb={"image": {"alt": "Forest plot: the paper's value beside the measured interval, as in the table above"}}
_ = scorecard.forest(ledger)

# %% [markdown]
# ## What needs no run
#
# These claims are judged from the papers, the released notebook and its figures, and the networks themselves, so
# their verdicts are the same in every run. [Where text and code disagree](../book/text_and_code.md) says what follows.

# %%
for key, value in prose.text_and_code().items():
    glue(key, value, display=False)
HTML(scorecard.static(ledger))

# %% [markdown]
# ## What this run cannot judge
#
# An absolute value can be judged only on the paper's own images and teacher, and a comparison only if the models that
# it is about were trained on more than one seed. The reasons below name the profile that is needed. With its images and
# weights available ([run it yourself](../book/rerun.md)), `asymdistill book --profile cifar10-clip` fills the rows of
# the first version, and the profiles `cifar10-clip-infonce` and `cifar100-dinov2` those of the second. The second
# version publishes neither the weight nor the temperature of its InfoNCE term, so those rows are judged with
# [values that we chose](#second-paper-settings).

# %%
HTML(scorecard.untested(ledger))

# %% [markdown]
# **How sure are we?** A verdict is about a number, not about an explanation. A value that comes out as the paper says
# does not make the paper's interpretation right; [the controls](08_controls.ipynb) test that. With this many claims,
# some verdicts are favourable or unfavourable by chance. The tolerance is our choice; the reasons give the numbers, so
# that readers can apply another.
