# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What does it cost?
#
# **The question.** How long does a run take, against the way the papers' notebook works, and how far is that from what
# the machine could do at most? But for the seconds of this run itself, all numbers are drawn from the records that
# `make bench` stores in `benchmarks/`; making the book does not measure them again. They are those of the machines
# named with them, and only ratios within one run say something about another machine.
#
# **What is compared.** The reference, `benchmarks/reference_pipeline.py`, is our own plain writing of how the released
# notebook works: Pillow prepares every image in a data loader on every pass, the teacher runs again on every batch that
# any student learns from, and each model is evaluated by itself at each noise level. Ours computes the teacher's
# embeddings once, keeps images as bytes, and trains as many students side by side as there are cores. Batch size,
# optimiser, loss and epochs are the same, and so are the images, which are generated: how long an image takes does not
# depend on what it shows. The teacher has CLIP's architecture and random weights.

# %% tags=["parameters"]
profile = "embedded"
overrides = {}
runs_dir = None

# %%
# %matplotlib inline
from IPython.display import HTML, Markdown
from myst_nb import glue

from asymdistill.builder import scorecard
from asymdistill.study.study import Study, default_runs_dir
from benchmarks import records, report

study = Study.open(profile, overrides, runs_dir)
Markdown(study.description())

# %%
costs = records.stored(default_runs_dir().with_name("benchmarks"))
cpu = costs.get("cpu", records.Costs("cpu", {}, {}))
Markdown(report.provenance(cpu))

# %% [markdown]
# ## This run
#
# Seconds of computing by step, as the run itself recorded them. Making the pages is not among them, nor are the other
# teachers and images of [chapter 7](07_generality.ipynb), which are runs of their own.

# %%
_ = study.compute()
HTML(scorecard.in_words(report.steps(study.experiment.manifest()["seconds"])))

# %% [markdown]
# ## The targets
#
# Each target was set before anything was measured. None of them changes the experiment: a batch stays 64 images, the
# optimiser Adam, and losses and metrics are float32 or better.

# %%
HTML(scorecard.in_words(records.targets(costs)))

# %%
Markdown(f"**What was seen.** {report.reading(cpu)}")

# %% [markdown]
# ## The grid
#
# Both pipelines take turns on the same images in processes of their own. The grid is nine students, three widths by
# three seeds, for one epoch at 224 x 224, and the evaluation of teacher and students at four noise levels on a quarter
# as many test images. The reference runs its teacher once for every student and epoch; with the five epochs of the
# papers it would do so five times as often, and ours would not.

# %% mystnb={"image": {"alt": "Bars of the time for training and evaluation, ours and the reference's, by round"}}
figure = report.grid(cpu)
glue("fig_cost_grid", figure, display=False)

# %%
HTML(scorecard.in_words(report.table(cpu, "grid")))

# %% [markdown]
# ## Students in training, and the ceiling
#
# The ceiling counts what a training step needs at least: the floating-point operations of convolutions and linear
# layers, at the rate of a large matrix product, or the bytes of the activations, each read and written once where a
# layer needs it, at the rate of a large copy, whichever takes longer, layer by layer. Both rates are measured in the
# same run. As many students as there are cores train side by side.

# %% mystnb={"image": {"alt": "Training images a second over the side of the input, by width, with ceilings"}}
figure = report.training(cpu)
glue("fig_cost_training", figure, display=False)

# %%
HTML(scorecard.in_words(report.table(cpu, "training")))

# %% [markdown]
# ## Precision
#
# The embedded profile's students trained under autocast to bfloat16, with losses and metrics in float32, beside those
# trained in float32: means over the seeds, and the spread of float32 over the same seeds (ddof = 1).

# %%
HTML(scorecard.in_words(report.table(cpu, "precision")))

# %% [markdown]
# ## Teachers

# %%
HTML(scorecard.in_words(report.table(cpu, "teachers")))

# %% [markdown]
# ## Metrics
#
# Effective rank is read off a Gram matrix that is summed in float64 block by block. On a CPU the products within a
# block are float32 from 16,384 embeddings on, unless they would hide the smallest variances. The others are a full
# singular value decomposition and scikit-learn's principal component analysis, which works in the embeddings' own
# float32. Errors are relative to float64 singular values. The streaming rank is float64 throughout and fed batches of
# 10,000 that are never held together; drawing them is left out of its time.

# %%
HTML(scorecard.in_words(report.table(cpu, "metrics")))

# %% [markdown]
# ## The whole book
#
# From nothing to the pages, all processes together.

# %%
HTML(scorecard.in_words(report.table(cpu, "book")))

# %% [markdown]
# ## Growth
#
# The power of size with which time and memory grow, fitted to three sizes each. Below 1 there is a part that does not
# grow; memory that does not grow at all has the power 0.

# %%
HTML(scorecard.in_words(report.table(cpu, "growth")))

# %% mystnb={"image": {"alt": "Time over size on logarithmic axes, one panel a quantity, with the fitted power"}}
figure = report.growth(cpu)
glue("fig_cost_growth", figure, display=False)

# %% [markdown]
# **How sure are we?** Each number is the least of a few repetitions, or a single pass where one takes long; the grid's
# rounds show the spread. The machine is shared, and what else runs on it can only slow things down. The share of the
# ceiling depends on what is counted: activations that stay in a cache move fewer bytes than the count has them move.
