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
# **How to read this page.** Every claim has a row: our words for it, the paper's number, what was measured here with
# its 95 % interval over seeds, a verdict, and the reason for the verdict with the numbers that it follows from. The
# claims are kept as data in the ledger, the file `claims.toml` of the package; no verdict is written by hand.

# %% tags=["parameters"]
profile = "embedded"
overrides = {}
runs_dir = None

# %%
# %matplotlib inline
from IPython.display import HTML, Markdown
from myst_nb import glue

from asymdistill.builder import prose, scorecard
from asymdistill.claims import evaluate
from asymdistill.study.study import Study

study = Study.open(profile, overrides, runs_dir)
Markdown(study.description())

# %%
ledger = evaluate.evaluate(study)
reading = scorecard.summary(ledger)
for key, value in reading.items():
    glue(key, value, display=False)
Markdown(reading["scorecard_summary"])

# %% [markdown]
# ## How a verdict is made
#
# There are three verdicts: `reproduced`, `not reproduced`, and `not testable here`. The measured value of a model is
# the mean over its seeds, and its interval is Student's. Where a claim speaks of several models, the least
# favourable one decides. Each claim names one of these tests:
#
# | test | the claim holds where |
# | :--- | :--- |
# | `equal` | the measured value is within the tolerance of the paper's |
# | `count` | the same, for numbers that are counted, not measured over seeds |
# | `at_least`, `at_most` | the measured value is on the claimed side of a limit |
# | `same` | the two models that are furthest apart are within the tolerance of each other |
# | `order` | each model is above the one before it, and last less first has a 95 % interval that excludes 0 |
#
# Differences between models are taken seed by seed. The tolerance is twice the spread that the paper gives, or 5 %
# of its value where it gives none; an entry that has another one says why in the ledger. Only `order` uses the
# interval to decide: a value near a limit gets a verdict as well, and its reason says when the interval reaches
# beyond the limit. Nothing is decided about a difference between trained models on one seed.
#
# The evidence is of three kinds. `static` needs no run: parameters are counted, and the papers' own numbers are set
# against each other. `same setting` is a run with the paper's images, teacher and training. `another setting` is any
# other run: there absolute values are left alone, while orderings, ratios and limits are judged, as evidence from
# other data.

# %% [markdown]
# ## At a glance

# %%
HTML(scorecard.in_words(scorecard.counts(ledger)))

# %% [markdown]
# ## Every claim
#
# The filters narrow the table; `words` looks for all the words that are typed, anywhere in a row. The small name
# below a claim is its link, and what other chapters refer to.

# %%
HTML(scorecard.table(ledger))

# %% [markdown]
# ## The paper's values and the measured ones
#
# These are the claims with a number of the paper and a measured one. Each panel has one quantity and one unit; where
# a claim is about a difference between models, so is its panel; of an order, a positive difference is the claimed
# one. Open diamonds are the paper's values, on the tolerance as a grey band where the claim has one. The form and
# the colour of a filled mark give the verdict, and a line is the 95 % interval over seeds. Pale marks with dashed
# lines were measured in another setting than the paper's: there the distance from the diamond is no error.

# %% mystnb={"image": {"alt": "Forest plot: the paper's value beside the measured interval, as in the table above"}}
_ = scorecard.forest(ledger)

# %% [markdown]
# ## What needs no run
#
# These claims are judged from the papers, the released notebook and its figures, and the networks themselves, so
# their verdicts are the same in every run. [Where text and code disagree](../book/text_and_code.md) tells what
# follows from them.

# %%
for key, value in prose.text_and_code().items():
    glue(key, value, display=False)
HTML(scorecard.static(ledger))

# %% [markdown]
# ## What this run cannot judge
#
# An absolute value can be judged only on the paper's own images and teacher, and a comparison only where the models
# that it speaks of were trained, on more than one seed. The reasons below name the profile that it takes. With its
# images and weights at hand ([rerun](../book/rerun.md)), `asymdistill book --profile cifar10-clip` fills the rows of
# the first version, and the profiles `cifar10-clip-infonce` and `cifar100-dinov2` those of the second. The second
# version publishes neither the weight nor the temperature of its InfoNCE term: those rows are judged with
# [settings of ours](#second-paper-settings).

# %%
HTML(scorecard.untested(ledger))

# %% [markdown]
# **How sure are we?** A verdict is about a number, not about an explanation: that a value comes out as the paper
# says does not make its reading right, and [the controls](08_controls.ipynb) ask about that. With as many claims as
# there are here, some would get a favourable or an unfavourable verdict by chance. The tolerance is our choice; the
# reasons give the numbers, so that another choice can be applied.
