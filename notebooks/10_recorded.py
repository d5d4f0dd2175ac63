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
# **The question.** The paper's images are photographs, and this book's own run is, by default, of generated ones. Do
# the same things happen on the paper's images, with another vision transformer as teacher?
#
# **What the paper says** {cite:p}`thayani2026v1`. On CIFAR-10 with CLIP, students of every width lose most of the
# teacher's effective rank, the largest loses most accuracy under noise, and augmentation does not help.
# {cite:t}`thayani2026v2` add that an InfoNCE term brings part of the rank back.
#
# **What is ours.** The runs below were computed once and are kept in the repository's folder `results/`: their
# settings and tables, and nothing else. They are shown beside the run that made this copy of the book and are not
# computed again. Their images are the paper's; their teacher is not. CLIP's weights cannot be had without a network,
# so a small vision transformer was trained here on the class names of CIFAR-100, whose images are no images of
# CIFAR-10. What is seen here is evidence about another vision transformer on the paper's own images, and no more. It
# says nothing about CLIP, and, as the teacher is small, nothing about large teachers.

# %% tags=["parameters"]
profile = "embedded"
overrides = {}
runs_dir = None

# %%
# %matplotlib inline
from IPython.display import HTML, Markdown
from myst_nb import glue

from asymdistill.builder import recordings, scorecard
from asymdistill.plots import recording_report
from asymdistill.plots import recordings as recording_figures
from asymdistill.study.study import Study

study = Study.open(profile, overrides, runs_dir)
Markdown(study.description())

# %% [markdown]
# ## The runs
#
# In brackets: parameters. A step is one batch; the paper's students are trained for 3,905 of them.

# %%
runs = recordings.gather(study)
ledgers = recording_report.ledgers(runs)
reading = recording_report.readings(runs, ledgers)
for key, value in reading.items():
    glue(key, value, display=False)
Markdown(reading["reading_recorded"])

# %%
HTML(scorecard.in_words(recordings.overview(runs)))

# %%
Markdown(reading["reading_recorded_teacher"])

# %% [markdown]
# ## Effective rank
#
# Mean ± standard deviation over seeds (ddof = 0, as in the paper), for students of the first objective. The effective
# rank depends on the number of test images, so that across runs only the share of the teacher's rank can be compared,
# and that with care.

# %%
HTML(scorecard.in_words(recordings.ranks(runs)))

# %% mystnb={"image": {"alt": "Effective rank of the teacher and of each student, one panel a run"}}
figure = recording_figures.ranks(runs)
glue("fig_recorded_ranks", figure, display=False)

# %%
Markdown(f"**What was seen.**\n\n{reading['reading_recorded_ranks']}")

# %% [markdown]
# ## Accuracy under noise
#
# A linear probe is fitted on clean embeddings. The noise is the paper's, added to the normalised tensor and drawn for
# every pixel of the enlarged image, so that the same σ is a finer noise at 224 × 224 than at 32 × 32. The first column
# of numbers is the accuracy without noise, the others are changes from it, student by student.

# %%
HTML(scorecard.in_words(recordings.accuracies(runs)))

# %% mystnb={"image": {"alt": "Probe accuracy against the noise, teacher and students, one panel a run"}}
figure = recording_figures.robustness(runs)
glue("fig_recorded_noise", figure, display=False)

# %% [markdown]
# Lines are means over seeds, bands reach from the least to the greatest, and the dotted line is guessing.

# %%
Markdown(f"**What was seen.**\n\n{reading['reading_recorded_noise']}")

# %% [markdown]
# ## What InfoNCE does to the rank
#
# Of the runs that trained students for both objectives; the factor is taken student by student.

# %%
HTML(scorecard.in_words(recordings.gains(runs)))

# %%
Markdown(f"**What was seen.**\n\n{reading['reading_recorded_infonce']}")

# %% [markdown]
# ## Augmentation and controls
#
# The controls are those of [their chapter](08_controls.ipynb), which says what each of them can show. Only those that
# a recorded run has are listed.

# %%
Markdown(f"**What was seen, with augmentation.**\n\n{reading['reading_recorded_augmentation']}")

# %%
Markdown(f"**What was seen, by control.**\n\n{reading['reading_recorded_controls']}")

# %% [markdown]
# ## The claims, run by run
#
# Each run is judged as [the scorecard](09_scorecard.ipynb) judges this one. Claims that need no run are left out: they
# come out the same everywhere. First how many claims got which verdict; then every claim that at least one run can
# judge, with what was measured and its 95 % interval over seeds, and a dash where a run cannot.

# %%
HTML(scorecard.in_words(recording_report.verdict_counts(ledgers)))

# %%
Markdown(reading["reading_recorded_signs"])

# %%
HTML(scorecard.in_words(recording_report.verdicts(ledgers)))

# %%
Markdown(f"**What was seen.**\n\n{reading['reading_recorded_ledger']}")

# %% [markdown]
# **How sure are we?** The recorded runs are slices of the experiment, of a size that two processor cores afford in an
# hour: the first table says how many images and seeds each rests on. With few images a student hardly learns, a rank
# reads low, and an accuracy has a wide error: one of {math}`n` test images is 100 / {math}`n` points. All of them have
# one teacher, and its weaknesses are theirs. Runs that differ in resolution, images and controls at once are no
# experiment on any of these. Where this run and a recorded one agree on a claim, it is seen on two sets of images with
# two teachers; where they do not, images, teacher and size of the run may each be the reason.
