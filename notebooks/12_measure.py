# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Measure your own embeddings
#
# **The question.** Have *your* {term}`embeddings <embedding>` {term}`collapsed <collapse>`? The metrics of this book
# need no teacher and no students, only a matrix of N embeddings of dimension d, one per row. This page measures the
# embeddings of the book's own run as you would measure yours, and says how to read the numbers.
#
# ```bash
# pip install .                          # in the checkout
# asymdistill measure embeddings.npy
# asymdistill measure shards/ --against teacher.safetensors --plot spectrum.svg
# asymdistill measure train.parquet --name embedding --json
# asymdistill measure /shared/shards --address auto      # by all machines of a Ray cluster
# ```
#
# Files are `.npy`, `.npz`, `.safetensors`, `.parquet` (with the extra `parquet`) or `.csv`, in float16, bfloat16,
# float32 or float64, or folders of such files, whose rows are taken together. Each file is read once and never held in
# memory as a whole, so it may be far larger than the memory; [the page on cost](11_cost.ipynb) has rates.
#
# The sums over parts of the rows merge without loss, so several machines can share the work. `--address` takes the
# address of a [Ray](https://docs.ray.io) cluster (the extra `cluster`), `auto` for the one that this machine belongs
# to, or `local` for one that is started on this machine and ends with the command. Every machine needs the files under
# the same path. The numbers are the same for any number of machines, up to the rounding of float64.

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

# %%
# %matplotlib inline
from IPython.display import HTML, Markdown
from myst_nb import glue

from asymdistill.measure import comparison, files, report
from asymdistill.metrics import rank_by_sample_size
from asymdistill.plots import measured, scorecard
from asymdistill.study import Study

study = Study.open(profile, overrides, runs_dir)
Markdown(study.description())

# %% [markdown]
# ## A worked example
#
# `save_embeddings` writes the test embeddings of the teacher and of one student per {term}`width`, that of the first
# seed, each to a file of its own. `report.measure` is what the command calls. Brackets hold 95 % intervals. All norms
# are 1 here, because the study scales the embeddings of every model to length 1.

# %%
# | name: tab-measured
# | caption: >-
# |   The metrics of the teacher's and of the students' test embeddings, with 95 % intervals.
paths = study.save_embeddings()
reports = {name: report.measure([path], [paths["teacher"]], blocks=10) for name, path in paths.items()}
HTML(scorecard.in_words(report.table(reports)))

# %%
Markdown("; ".join(reports["teacher"].notes()) + ".")

# %% [markdown]
# **What the numbers mean.**
#
# - **{term}`Effective rank <effective rank>`** is the exponential of the entropy of the {term}`spectrum`: the number of
#   equally strong directions that would have the same entropy. *Variance* weighs directions by their squared singular
#   values, as the papers do; *amplitude* by the singular values themselves, as RankMe does. The two differ by factors,
#   so name the one you report. The **participation ratio** answers the same question and gives the strongest directions
#   even more weight.
# - **Dimensions for 90 % of the variance** counts principal components. It moves in whole steps and has no interval.
# - **Mean cosine between rows** and the **norm of the mean direction** measure {term}`anisotropy`: 0 where directions
#   cancel, 1 where all embeddings point the same way. A large value says that the embeddings share an offset, not that
#   they have collapsed: the spectrum is taken after the mean is subtracted.
# - **{term}`Uniformity <uniformity>`** measures how evenly the directions cover the sphere, offset included. It is 0 if
#   all embeddings are the same, and lower is more uniform.
# - **Variance within the second set's dimensions for 90 %** asks whether two sets use the same directions. Both sets
#   need the same dimension, but not the same items. The **mean cosine with the same row** needs pairs: row i of one
#   file and row i of the other must belong to the same item.
#
# The intervals come from a jackknife that leaves out one block of consecutive rows at a time. They say how far the
# number would scatter over other samples *of the same size*. If the file is sorted, by class for example, blocks differ
# more than random samples do, and the intervals become too wide: shuffle the rows.
#
# ## The spectrum

# %% mystnb={"image": {"alt": "Share of the teacher's variance over the number of the component, on logarithmic axes"}}
# | name: fig-measured-spectrum
# | caption: >-
# |   Share of the teacher's variance in each principal component, on logarithmic axes; the dashed line is its
# |   effective rank.
teacher = reports["teacher"]
figure = measured.spectrum(teacher.variances, teacher["effective_rank"])
glue("fig_measure_spectrum", figure, display=False)

# %% [markdown]
# This is what `--plot` draws, here for the teacher. A straight line is a power law; a cliff means that the embeddings
# stay within a subspace; a bend close to the number of embeddings comes from the sample's size and says nothing about
# the model.
#
# ## How N changes them
#
# Here are random subsamples of the same embeddings, five draws per size.

# %% mystnb={"image": {"alt": "Effective rank over the number of embeddings, one line per model"}}
# | name: fig-measured-sizes
# | caption: >-
# |   Effective rank against the number of embeddings. Lines are means over random subsamples, bands their range.
sets = {name: next(files.open_files([path])[0].read(0, 10**6, 10**6)) for name, path in paths.items()}
sizes = [size for size in (25, 50, 100, 200, 400, 800, 1600, 3200) if size <= teacher.rows]
figure = measured.by_sample_size({name: rank_by_sample_size(rows, sizes) for name, rows in sets.items()})
glue("fig_measure_sizes", figure, display=False)

# %% [markdown]
# **How to read it.** N embeddings span at most N − 1 directions, so every curve starts low and rises until N is many
# times the rank. The fewer directions a model uses, the earlier its curve levels off. Where a curve still rises at its
# right end, the value in the table is a lower bound rather than a property of the model. **Compare at equal N.**
#
# ## How centring changes them, and what other tools say
#
# The same embeddings of the teacher by the formulas of RankMe {cite:p}`garrido2023`, lightly and scikit-dimension.

# %%
# | name: tab-other-tools
# | caption: >-
# |   The same embeddings by the formulas of other tools.
HTML(scorecard.in_words(comparison.table(sets["teacher"])))

# %% [markdown]
# **How to read it.** Where two definitions agree, so do the numbers: *theirs* and *ours* differ by rounding, and in
# RankMe's case by the 1e-7 that it adds to every share. RankMe does not {term}`centre <centring>`. A mean far from the
# origin is then one more singular value, often the largest, and lowers the rank without any change in how the
# embeddings vary; compare its two rows. scikit-dimension's default counts directions above 5 % of the largest variance.
# lightly's number is a spread, not a count: it tells full collapse from none, but a model that uses one direction in
# ten can have the same value as one that uses them all.
#
# ## Watch a training
#
# `EffectiveRank` is a metric of torchmetrics. It takes NumPy arrays and tensors on any device, keeps a d × d matrix
# whatever the number of batches, and adds up over processes when several train together. In a plain loop:
#
# ```python
# from asymdistill.metrics import EffectiveRank
#
# rank = EffectiveRank(embedding_dim=64)
# for epoch in range(epochs):
#     for images in loader:
#         embeddings = train_step(images)
#         rank.update(embeddings)
#     print(f"epoch {epoch}: effective rank {rank.compute():.1f}")
#     rank.reset()
# ```
#
# As a callback of Lightning, where `training_step` returns `{"loss": loss, "embeddings": embeddings.detach()}`:
#
# ```python
# from lightning.pytorch import Callback
# from asymdistill.metrics import EffectiveRank
#
# class WatchRank(Callback):
#     def setup(self, trainer, module, stage):
#         module.rank = EffectiveRank(embedding_dim=64)
#     def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
#         module.rank.update(outputs["embeddings"])
#     def on_train_epoch_end(self, trainer, module):
#         module.log("effective_rank", module.rank.compute())
#         module.rank.reset()
# ```
#
# **How sure are we?** The intervals hold for the number of embeddings at hand, not for the limit of many. A rank that
# falls during training need not be a fault: it also falls when a model learns to ignore what does not matter. A rank
# near 1 is a fault. [The controls](08_controls.ipynb) ask how much of a low rank underfitting alone explains.
