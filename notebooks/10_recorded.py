# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Recorded runs: run beside run
#
# **The question.** The chapters set {term}`recorded runs <recorded run>` on photographs beside this copy's own run, for
# each table the largest that has it. Do all recorded runs agree with each other, whatever their images and teachers?
#
# **What the paper says** {cite:p}`thayani2026v1`. On CIFAR-10 with CLIP, students of every width lose most of the
# teacher's effective rank, and the widest student loses most accuracy under noise. {cite:t}`thayani2026v2` adds that an
# InfoNCE term brings part of the rank back.
#
# **What is ours.** Recorded runs were computed once and are kept in the folder `results/`: their settings and tables,
# and nothing else. `results/README.md` says what their teachers are; `vit-s14-saliency` is a network whose training
# began with DINOv2's weights and went on for another task, so that it is no evidence about DINOv2. Where the teacher is
# not CLIP, a run is evidence about another teacher. It says nothing about CLIP, and a small teacher says nothing about
# large ones.

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

from asymdistill.builder.recordings import gather
from asymdistill.plots import headline, recordings, scorecard, tables
from asymdistill.study import Evidence, Study

study = Study.open(profile, overrides, runs_dir)
evidence = Evidence(study, recorded)
Markdown(study.description())

# %% [markdown]
# ## The runs
#
# *this copy* is the run behind this copy of the book. Every recorded run has a column or a row of its own in the tables
# below; if there is none, they show this copy alone. A step is one batch; the paper's students are trained for 5 epochs
# of 781 steps.

# %%
# | name: tab-runs
# | caption: >-
# |   The runs: images, teacher, students, training, and where they were computed.
_ = study.compute()
runs = gather(evidence)
table = tables.for_readers(recordings.table(runs))
glue("table_recorded", table, display=False)
HTML(scorecard.in_words(recordings.overview(runs)))

# %% [markdown]
# Next come the papers' main numbers, beside the same numbers of the recorded runs that the chapters show and of this
# copy. The front page repeats this table.

# %%
# | name: tab-headline
# | caption: >-
# |   The papers' main numbers beside those of the runs.
table_headline = tables.for_readers(
    headline.table(
        evidence.baseline("spectrum"),
        evidence.baseline("robustness"),
        evidence.table("expansion"),
        evidence.table("augmentation"),
    )
)
glue("table_headline", table_headline, display=False)
table_headline

# %%
pixels = evidence.pixels("robustness")
behind = evidence.description("spectrum", "robustness", "expansion", "augmentation")
behind_headline = Markdown(f"{headline.note(pixels)}\n\n{behind}")
glue("behind_headline", behind_headline, display=False)
behind_headline

# %% [markdown]
# **How to read it.** Compare the parameters of teacher and students first. A student that is larger than its teacher is
# not the compression that the paper is about, and if it loses rank, that is not for want of parameters.
#
# ## Effective rank
#
# Entries are means ± standard deviations over seeds (ddof = 0, as in the paper) for students of the first objective,
# with the share of the teacher's rank in brackets. An {term}`effective rank` depends on the number of test images.
# Across runs, compare only the shares, and those with care.

# %%
# | name: tab-recorded-ranks
# | caption: >-
# |   Effective rank by run, and in brackets the share of the teacher's rank.
HTML(scorecard.in_words(recordings.ranks(runs)))

# %% mystnb={"image": {"alt": "Effective rank of the teacher and of each student, one panel per run"}}
# | name: fig-recorded-ranks
# | caption: >-
# |   Effective rank of the teacher and of each student, one panel per run, one mark per seed.
figure = recordings.rank_figure(runs)
glue("fig_recorded_ranks", figure, display=False)

# %% [markdown]
# **How to read it.** Collapse means that every student stands far to the left of its teacher; if width does not matter,
# the rows of the students overlap. A collapse that appears both on generated images and on photographs does not depend
# on the kind of image. One that appears on only one of them depends on the images, the teacher or the size of the run,
# and these tables cannot say on which. Two runs whose names differ only in what the students see tell what a smaller
# input changes, if they agree in the other rows of the first table.
#
# ## The claims, run by run
#
# Each run is judged as this copy is on [the scorecard](09_scorecard.ipynb). Claims that need no run are left out, since
# their verdicts are the same everywhere. First the number of claims with each verdict; then every claim that at least
# one run can judge, with the measured value and its 95 % interval over seeds: ● is `supported`, ✕ is `contradicted`, ▲
# is `undecided`, and a dash means that the run cannot judge the claim.

# %%
# | name: tab-recorded-counts
# | caption: >-
# |   Number of claims with each verdict, by run.
ledgers = recordings.ledgers(runs)
HTML(scorecard.in_words(recordings.verdict_counts(ledgers)))

# %%
# | name: tab-recorded-verdicts
# | caption: >-
# |   Every claim that at least one run can judge: the paper's value, and verdict and measured value of each run.
HTML(scorecard.in_words(recordings.verdicts(ledgers)))

# %% [markdown]
# **How to read it.** Look along a row. Equal signs mean that a claim fared the same in runs with other images, teachers
# or sizes. Different signs are no contradiction: each of these may be the reason.
#
# **How sure are we?** The first table says how many images and seeds each run rests on. With few images a student
# hardly learns, a rank reads low, and an accuracy is coarse: one of {math}`n` test images is 100 / {math}`n` points.
# Runs that share a teacher share its weaknesses, and a comparison of runs that differ in resolution, images and
# controls at once does not isolate any of these.
