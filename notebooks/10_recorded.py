# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Recorded runs: real photographs
#
# **The question.** The paper's images are photographs, while this book's own run uses generated ones by default. Do
# the same things happen on the paper's images?
#
# **What the paper says** {cite:p}`thayani2026v1`. On CIFAR-10 with CLIP, students of every width lose most of the
# teacher's effective rank, the widest student loses most accuracy under noise, and augmentation does not help.
# {cite:t}`thayani2026v2` add that an InfoNCE term brings part of the rank back.
#
# **What is ours.** The recorded runs were computed once and are kept in the folder `results/`: their settings and
# tables, and nothing else. They are shown beside the run that made this copy of the book and are not computed again.
# The first table names the images and the teacher of each; `results/README.md` says what their teachers are. Where the
# teacher is not CLIP, a run is evidence about another teacher on those images. It says nothing about CLIP, and a small
# teacher says nothing about large ones.

# %% tags=["parameters"]
profile = "embedded"
overrides = {}
runs_dir = None

# %%
# %matplotlib inline
from IPython.display import HTML, Markdown
from myst_nb import glue

from asymdistill.builder.recordings import gather
from asymdistill.plots import recordings, scorecard, tables
from asymdistill.study import Study

study = Study.open(profile, overrides, runs_dir)
Markdown(study.description())

# %% [markdown]
# ## The runs
#
# `this run` is the one behind this copy of the book. Every recorded run in `results/` has a column or a row of its own
# in the tables below; if the folder is empty, they show this run alone. A step is one batch; the paper's students are
# trained for 3,905 steps.

# %%
_ = study.compute()
runs = gather(study)
table = tables.for_readers(recordings.table(runs))
glue("table_recorded", table, display=False)
HTML(scorecard.in_words(recordings.overview(runs)))

# %% [markdown]
# **How to read it.** Compare the parameters of teacher and students first. A student that is larger than its teacher
# is not the compression that the paper is about, and a rank that it loses is not lost for want of capacity.
#
# ## Effective rank
#
# Mean ± standard deviation over seeds (ddof = 0, as in the paper) for students of the first objective; in brackets the
# share of the teacher's rank. An effective rank depends on the number of test images. Across runs, compare only the
# shares, and those with care.

# %%
HTML(scorecard.in_words(recordings.ranks(runs)))

# %% mystnb={"image": {"alt": "Effective rank of the teacher and of each student, one panel per run"}}
figure = recordings.rank_figure(runs)
glue("fig_recorded_ranks", figure, display=False)

# %% [markdown]
# **How to read it.** Collapse means that every student stands far to the left of its teacher; if width does not matter,
# the rows of the students overlap. A collapse that appears on generated images and on photographs does not depend on
# either kind of image. One that appears on only one of them does depend on the images, the teacher or the size of the
# run, and these tables cannot say on which.
#
# ## Accuracy under noise
#
# A linear probe is fitted on clean embeddings. As in the paper, the noise is added to the normalised tensor and drawn
# for every pixel of the resized image, so the same σ is a finer noise at 224 × 224 than at 32 × 32. The first column of
# numbers is the accuracy without noise; the others are changes from it, paired by student.

# %%
HTML(scorecard.in_words(recordings.accuracies(runs)))

# %% mystnb={"image": {"alt": "Probe accuracy under noise, teacher and students, one panel per run"}}
figure = recordings.accuracy_figure(runs)
glue("fig_recorded_noise", figure, display=False)

# %% [markdown]
# Lines are means over seeds, bands reach from the smallest to the largest value, and the dotted line is chance.
#
# **How to read it.** The paper's inversion is a crossing: the widest student leads without noise and trails under it.
# Compare the changes of the narrowest and the widest student at one noise level, beside their spreads over seeds. A
# student close to the dotted line has nothing left to lose, so small changes there are no sign of robustness.
#
# ## What InfoNCE does to the rank
#
# The table has the runs that trained students for both objectives. The factor is taken student by student.

# %%
HTML(scorecard.in_words(recordings.gains(runs)))

# %% [markdown]
# **How to read it.** A factor above 1 is a gain in rank. Compare the new rank with the teacher's in the last column as
# well: a student with a higher rank than its teacher has dimensions that it cannot have copied.
#
# ## Augmentation
#
# Change of the widest student's accuracy when it is trained with augmentation, in points and paired by seed, at each
# noise level σ. Only runs with augmented students have a column.

# %%
HTML(scorecard.in_words(recordings.augmentation(runs)))

# %% [markdown]
# ## Controls
#
# The numbers that matter most for each control, for the controls that a recorded run has. [The chapter on
# controls](08_controls.ipynb) explains what each of them compares and what the outcomes would mean.

# %%
HTML(scorecard.in_words(recordings.controls(runs)))

# %% [markdown]
# ## The claims, run by run
#
# Each run is judged in the same way as this one on [the scorecard](09_scorecard.ipynb). Claims that need no run are
# left out, since their verdicts are the same everywhere. First the number of claims with each verdict; then every claim
# that at least one run can judge, with the measured value and its 95 % interval over seeds: ● is `supported`, ✕ is
# `contradicted`, ▲ is `undecided`, and a dash means that the run cannot judge the claim.

# %%
ledgers = recordings.ledgers(runs)
HTML(scorecard.in_words(recordings.verdict_counts(ledgers)))

# %%
HTML(scorecard.in_words(recordings.verdicts(ledgers)))

# %% [markdown]
# **How to read it.** Look along a row. Two equal signs mean that a claim fared the same on two sets of images and with
# two teachers. Two different signs are no contradiction: images, teacher and size of the run may each be the reason.
#
# **How sure are we?** The recorded runs are small slices of the experiment; the first table says how many images and
# seeds each of them rests on. With few images a student hardly learns, a rank reads low, and an accuracy has a wide
# error: one of {math}`n` test images is 100 / {math}`n` points. Runs that share a teacher share its weaknesses, and
# a comparison of runs that differ in resolution, images and controls at once does not isolate any of these.
