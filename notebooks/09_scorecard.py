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
# **The question.** Two papers, {cite:t}`thayani2026v1` and {cite:t}`thayani2026v2`, make claims in numbers and in
# words. Which of them does a run of this book bear out?
#
# **How to read this page.** Each claim has a row: the claim in our words, the paper's number, the number measured here
# with its 95 % interval, the claimed range, a {term}`verdict`, and the reason for the verdict with the numbers behind
# it. The claims are kept as data in the package's file `claims.toml`, the ledger; no verdict is written by hand.

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

from asymdistill.builder import prose
from asymdistill.builder.recordings import gather
from asymdistill.claims import evaluate, summary
from asymdistill.claims.power import power
from asymdistill.plots import recordings, scorecard
from asymdistill.study import Evidence, Study

study = Study.open(profile, overrides, runs_dir)
evidence = Evidence(study, recorded)
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
# A claim has a claimed range, and what was measured has a 95 % interval over seeds. There are four verdicts:
# `supported` if the interval lies within the range, `contradicted` if it lies wholly outside, `undecided` otherwise,
# and `not testable here` if the run lacks what the claim needs. The rule is the same for and against.
#
# | test | the claimed range | the interval |
# | :--- | :--- | :--- |
# | `equal` | the paper's value ± the margin | of the difference from the paper's value, with the spread of both |
# | `at_least`, `at_most` | one side of a limit | of the mean |
# | `same` | 0 ± the margin | of the difference between any two of the models |
# | `order` | above 0, and each mean above the one before | of the difference, last model minus first |
#
# If a claim is about several models, the intervals of all must lie within the range, and one wholly outside contradicts
# it. Differences between models are paired by {term}`seed`. On a run, a margin is a share of the effect that the paper
# claims, never of the value; in most checks of the text it is what rounding can change. The table gives the reason for
# each. With a single seed nothing is decided. [Methods](../book/methods.md) says more.
#
# There are three kinds of evidence, counted apart. A *check of the text* needs no run: parameters are counted, and the
# papers' own numbers are compared with each other and with the released notebook. *The paper's own setting* is a run
# with the paper's images, resolution, training and teacher. *Another setting* is any other run: absolute numbers are
# not judged there, but directions, orders and limits that the paper states in general are.

# %% [markdown]
# ## At a glance

# %%
# | name: tab-counts
# | caption: >-
# |   Number of claims by kind of evidence and verdict.
HTML(scorecard.in_words(summary.counts(ledger)))

# %% [markdown]
# **By chance.** {glue:text}`claims_by_seeds:d` claims are judged here by an interval over seeds. If for each of them
# the truth lay just at the edge of the claimed range (for an order: no difference), chance alone would make at most
# {glue:text}`claims_by_chance:s` of them `supported` on average, and as many `contradicted`. So it takes more than a
# few verdicts of one kind to say anything about the papers as a whole.

# %% [markdown]
# ## Every claim
#
# The filters narrow the table; *words* finds the rows that contain all the words typed. The small name below a claim is
# a link to its row; other chapters lead there. Where a [recorded run](10_recorded.ipynb) can judge a claim, its verdict
# stands below the reason for that of this run.

# %%
others = recordings.ledgers(gather(evidence)[1:])
HTML(scorecard.table(ledger, others))

# %% [markdown]
# ## The paper's values and the measured ones
#
# Here are all claims for which the paper gives a number and this run measured one, except the checks of the text. Each
# panel has one quantity and one unit. A claim about a difference between models is in a panel of differences; for an
# order, positive is as claimed. Open diamonds are the paper's values; a grey band is the claimed range. The shape and
# colour of a filled mark give the verdict, and a line is the 95 % interval. Pale marks with dashed lines were measured
# in another setting than the paper's: there, the distance from the diamond is no error.

# %% mystnb={"image": {"alt": "Forest plot: the paper's value beside the measured interval, as in the table above"}}
# | name: fig-forest
# | caption: >-
# |   The paper's value of each claim (open diamond), the claimed range (grey band), and the measured value with its
# |   95 % interval.
_ = scorecard.forest(ledger)

# %% [markdown]
# ## How much a verdict can tell
#
# With three seeds, `undecided` is the likely outcome even for some claims that are true. The table shows what the rules
# do to a simulated perfect replication of the paper, which has the paper's means and spreads (and this run's spreads
# where the paper gives none), and to a true opposite: an order reversed, a value off by twice its margin. Numbers are
# percentages of simulated replications. Claims for which the paper gives no size are left out.

# %%
# | name: tab-power
# | caption: >-
# |   How often a simulated replication of the paper, and its opposite, would earn each verdict, in percent.
HTML(scorecard.in_words(summary.power_table(ledger, power(study))))

# %% [markdown]
# **How to read it.** A column `contradicted` above 5 % would mean that a rule is unfair to the paper. A low number
# under `supported` means that even a true claim would rarely earn that verdict with so many seeds: then `undecided`
# says nothing against it. Some values stay low at any number of seeds: there, the paper's own three seeds are too few
# to say what its number is.
#
# ## What needs no run
#
# These claims are judged by the papers, the released notebook and its figures, and the networks themselves, so their
# verdicts are the same in every run. [Where text and code disagree](../book/text_and_code.md) says what follows.

# %%
# | name: tab-checks
# | caption: >-
# |   Claims that need no run: what is claimed and what is computed.
for key, value in prose.text_and_code().items():
    glue(key, value, display=False)
HTML(scorecard.checks(ledger))

# %% [markdown]
# ## What this run cannot judge
#
# An absolute number can be judged only in the paper's own setting, and a comparison only if its models were trained
# from more than one seed. The reasons below say what is missing, and which {term}`profile` has it. With images and
# weights available ([run it yourself](../book/rerun.md)), `asymdistill book --profile cifar10-clip` fills most rows of
# the first paper, and the profiles `cifar10-clip-infonce` and `cifar100-dinov2` those of the second. The second paper
# publishes neither the weight nor the temperature of its {term}`InfoNCE` term, so those rows are judged with [values
# that we chose](#second-paper-settings).

# %%
# | name: tab-untested
# | caption: >-
# |   Why claims cannot be judged in this run.
HTML(scorecard.untested(ledger))

# %% [markdown]
# **How sure are we?** A verdict is about a number, not about an explanation. A value that comes out as the paper says
# does not make the paper's interpretation right; [the controls](08_controls.ipynb) test that. Intervals over seeds
# cover initial weights and the order of images, not the choice of images, teacher or training. The margins are our
# choice; since the table gives the numbers, readers can apply others.
