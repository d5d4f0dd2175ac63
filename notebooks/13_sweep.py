# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Sweeps
#
# **The question.** How do the results change with the settings? A sweep trains the students of every combination of
# some settings, on one machine or on many, and puts what is measured into one table. This page shows the command, a
# sweep of the default {term}`profile` over the weight of the {term}`InfoNCE` term, the {term}`width` and the number of
# epochs, and how to draw a sweep of your own.
#
# ```toml
# description = "Rank against the weight of InfoNCE, the width and the epochs."
# profiles = ["embedded"]
# quantities = ["effective_rank", "accuracy", "neighbour_accuracy", "distance"]
#
# [set]                                   # for all
# objectives = ["cosine", "infonce"]
# seeds = [42, 123, 456]
#
# [cross]                                 # each value with each
# widths = [1, 2, 4]
# epochs = [1, 2, 5]
# infonce_weight = [0.1, 1, 10]
# ```
#
# ```bash
# asymdistill sweep rank.toml --dry-run   # how many students there are, found and missing
# asymdistill sweep rank.toml             # train and measure those that are missing
# asymdistill sweep rank.toml --address auto --gpus 0.25    # on a Ray cluster, four students at once on each GPU
# ```
#
# Every [setting](#all-settings) that changes results can be varied, teachers and data sets included. Lists under
# `[zip]` go together: their first values are one combination, their second values the next. A setting that is a list
# itself, such as `widths`, is varied by its elements. [The guide](#many-runs) says how sweeps run on several machines.

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
sweep = "results/sweeps/sweep-rank-01766fc3d0"
quantity = "effective_rank"
x = "infonce_weight"
panel = "epochs"
recorded = "results"

# %%
# %matplotlib inline
from IPython.display import HTML, Markdown
from myst_nb import glue

from asymdistill.plots import scorecard
from asymdistill.plots import sweeps as chapter
from asymdistill.study import Study
from asymdistill.study.recorded import recorded_runs
from asymdistill.study.study import describe
from asymdistill.sweep import schedule
from asymdistill.sweep.table import RecordedSweep

Markdown(Study.open(profile, overrides, runs_dir).description())

# %% [markdown]
# That is the run behind this copy of the book. The sweep below is a recorded one, which building the book does not
# repeat. Its profiles are those of the commit that it names: they may have had other numbers of images than today.

# %%
own = RecordedSweep.open(sweep)
Markdown(chapter.describe(own.manifest))

# %% [markdown]
# ## The table
#
# Each row is one measurement of one student, or of the teacher, at one combination. There is a column for everything
# that was varied; the columns that identify a student are those of [every table](../book/tables.md) of this book.
# pandas and seaborn take it as it is:
#
# ```python
# import pandas as pd
# import seaborn as sns
#
# table = pd.read_csv("runs/sweep-rank-0123456789/table.csv")  # or table.parquet
# ranks = table.query("quantity == 'effective_rank' and model != 'teacher'")
# sns.relplot(ranks, x="epochs", y="value", hue="infonce_weight", col="model", style="objective", kind="line")
# ```

# %%
# | name: tab-sweep-rows
# | caption: >-
# |   Some rows of the sweep's table.
HTML(scorecard.in_words(chapter.some_rows(own.table)))

# %% [markdown]
# ## Rank against weight, width and training
#
# The weight of the InfoNCE term does not concern students of the cosine loss: the same ones appear at every weight, so
# that their solid lines are level, and what lies above or below them is the term's doing. Intervals are Student's 95 %
# intervals of the mean over seeds; with three seeds they are wide.

# %% mystnb={"image": {"alt": "The quantity against what is varied, a line per student, in panels"}}
# | name: fig-sweep
# | caption: >-
# |   Effective rank against the weight of InfoNCE, one panel per number of epochs: means and 95 % intervals over seeds.
rows = chapter.of_quantity(own.table, quantity, x, panel)
figure = chapter.against(rows, x, panel)
glue("fig_sweep", figure, display=False)

# %%
# | name: tab-sweep
# | caption: >-
# |   The same as means ± standard deviations over seeds, one column per weight of InfoNCE.
HTML(scorecard.in_words(chapter.table(rows, x, panel)))

# %% [markdown]
# **How to read it.** Each panel shows what the weight does after so many epochs. If the lines of InfoNCE rise to the
# right, more weight raises the rank; where they are level, it does not. Compare panels for the second question: does
# the rank grow with training, at the same weight? A short training leaves students near their initial weights, so a
# rank in the first panel may say more about the network than about the loss.
#
# ## The other way around
#
# Here are the same rows with the two axes exchanged: against the number of epochs, one panel per weight.

# %% mystnb={"image": {"alt": "The same with the axes exchanged"}}
# | name: fig-sweep-exchanged
# | caption: >-
# |   Effective rank against the number of epochs, one panel per weight of InfoNCE.
figure = chapter.against(rows, panel, x)
glue("fig_sweep_exchanged", figure, display=False)

# %% [markdown]
# ## What a hundred GPUs would do
#
# Once the teacher's embeddings are there, students do not depend on each other, so a grid can use as many devices as it
# has students. The papers' whole grid is two pairs of teacher and images, with two objectives each: four times the
# students of a run of one objective. The estimate starts from the recorded run with the largest input, and from the
# seconds that each student took there; where several shared a device, each took longer than it would have taken alone,
# so the times are on the long side. That run is:

# %%
finest = schedule.finest(recorded_runs(recorded))
Markdown(describe(finest.settings, finest.sizes, finest.manifest))

# %%
# | name: tab-sweep-devices
# | caption: >-
# |   Time for four times the students of that run, from the seconds that each of them took, by number of devices.
HTML(scorecard.in_words(schedule.table(finest, copies=4)))

# %% [markdown]
# **How to read it.** The time falls with the number of devices until each student has one of its own. From there on it
# is that of the slowest student, and further devices are paid for but idle, as *device hours* shows. It is then cheaper
# to let several small students share a GPU (`--gpus`). Not counted are the teacher's embeddings, which come first, once
# for each pair; the probes; and what the scheduler takes for each task, which [the page on cost](11_cost.ipynb) has in
# milliseconds.
#
# ## A sweep of your own
#
# This page draws any sweep. `x` and `panel` are columns of its table, such as a setting that was varied, `width`, or
# `sigma` for the quantity `robustness`. Whatever else was varied is held at its first value.
#
# ```bash
# papermill notebooks/13_sweep.ipynb out.ipynb -p sweep runs/sweep-rank-0123456789 \
#   -p quantity accuracy -p x epochs -p panel infonce_weight
# asymdistill record runs/sweep-rank-0123456789    # keep its manifest and table in results/sweeps
# ```
#
# **How sure are we?** A sweep makes many comparisons, and with few seeds some differences arise by chance. Use it to
# find where something happens; then test that one place with more seeds. `seeds` is a setting like any other, and
# students that are stored are not trained again.
