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
# **The question.** How long does a run take, compared with the pipeline of the papers' notebook and with the limits of
# the machine? Only the table under *This run* is about the run behind this copy of the book. All other numbers come
# from the records that `make bench` stored in `benchmarks/`; building the book does not measure them again. They belong
# to the machines in the first table. On another machine, expect similar ratios and different times.
#
# **What is compared.** The reference, `benchmarks/reference_pipeline.py`, is our own plain implementation of how the
# first paper's notebook works: Pillow preprocesses every image in a data loader on every pass, the {term}`teacher` runs
# again on every training batch of every student, and each model is evaluated separately at each noise level. Our
# pipeline computes the teacher's embeddings once, keeps images as bytes, and trains as many students in parallel as
# there are cores. Batch size, optimiser, loss and epochs are the same. So are the images, which are generated: the time
# that an image takes does not depend on what it shows. The teacher has CLIP's architecture and random weights.

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
import sys

from IPython.display import HTML, Markdown
from myst_nb import glue

from asymdistill.plots import scorecard
from asymdistill.study import Study

sys.path += [".", ".."]  # `benchmarks` is a folder of the checkout, not of the package
from benchmarks import records, report

study = Study.open(profile, overrides, runs_dir)
Markdown(study.description())

# %%
# | name: tab-cost-machine
# | caption: >-
# |   Where and when costs were measured, and the machine's ceilings.
cpu = records.stored("cpu")
HTML(scorecard.in_words(report.provenance(cpu)))

# %% [markdown]
# The rates are the machine's ceilings, measured together with the sections in their row: large matrix products in
# float32 and float64, and a large copy. Where a row's rates are far below those of another with the same device, other
# work ran beside it or the machine was another one: then its times are too long, and its shares of the ceiling too
# high.
#
# ## This run
#
# Seconds of computing by kind of result, as they were recorded when each result was computed. Making the pages is not
# included.

# %%
# | name: tab-cost-run
# | caption: >-
# |   Seconds of computing in this run, by kind of result.
_ = study.compute()
HTML(scorecard.in_words(report.steps(study.manifest()["seconds"])))

# %% [markdown]
# ## The grid
#
# Both pipelines take turns on the same images, each in a process of its own. The grid is nine students, three widths by
# three seeds, trained for one epoch at 224 × 224, and the evaluation of teacher and students at four noise levels on a
# quarter as many test images. The reference runs its teacher over the training images once per student and epoch, so
# with the paper's five epochs it would do so five times as often; our pipeline would not.

# %% mystnb={"image": {"alt": "Bars of the time for training and evaluation, ours and the reference's, by round"}}
# | name: fig-cost-grid
# | caption: >-
# |   Time for training and evaluation of the grid, ours and the reference's, one bar per round.
figure = report.grid(cpu)
glue("fig_cost_grid", figure, display=False)

# %%
# | name: tab-cost-grid
# | caption: >-
# |   Time and memory of the grid, by pipeline and round.
HTML(scorecard.in_words(report.table(cpu, "grid")))

# %% [markdown]
# **How to read it.** The column *relative to ours* compares the two pipelines within a round, so whatever slowed the
# machine down is likely to have slowed both. The rounds show how much the ratio varies. Our pipeline trades memory for
# time: it keeps images and embeddings, and every student that trains in parallel has activations of its own.
#
# ## Training students, and the ceiling
#
# The ceiling is a lower bound on the time of a training step: either the floating-point operations of the convolutions
# and linear layers at the rate of a large matrix product, or the bytes of the activations, read and written once per
# use, at the rate of a large copy. The slower of the two counts, layer by layer. As many students train in parallel as
# there are cores.

# %% mystnb={"image": {"alt": "Training images per second over the side of the input, by width, with ceilings"}}
# | name: fig-cost-training
# | caption: >-
# |   Training images per second against the side of the input, by width. Open marks are the machine's ceiling.
figure = report.training(cpu)
glue("fig_cost_training", figure, display=False)

# %%
# | name: tab-cost-training
# | caption: >-
# |   Training speed by width, input and precision, and its share of the machine's ceiling.
HTML(scorecard.in_words(report.table(cpu, "training")))

# %% [markdown]
# **How to read it.** A share close to 100 % leaves nothing to gain without changing the network or the experiment. A
# low share means that the time goes elsewhere: to small layers that cannot use the whole core, to pooling and
# normalisation, or to the optimiser; the ceiling counts none of these as arithmetic. *limited by* names the resource
# that sets the ceiling, not the cause of the gap.
#
# ## Precision
#
# Students of the profile `embedded` as it was at the commit named above, trained under autocast to bfloat16 with losses
# and metrics in float32, beside those trained in float32: means over seeds, and the standard deviation over seeds in
# float32 (ddof = 1).

# %%
# | name: tab-cost-precision
# | caption: >-
# |   Students trained in bfloat16 beside those trained in float32.
HTML(scorecard.in_words(report.table(cpu, "precision")))

# %% [markdown]
# **How to read it.** A difference well within the spread could come from another choice of seeds. A difference beyond
# it means that bfloat16 changes the result, and that the two must not be mixed in one comparison.
#
# ## Teachers
#
# On a processor with instructions for bfloat16, teachers compute in it unless the setting `teacher_precision` says
# otherwise: the table shows what that saves. Each teacher is given as many images at a time as suit the device.

# %%
# | name: tab-cost-teachers
# | caption: >-
# |   Images per second through each teacher, by the side of what it sees, in pixels, and by precision.
HTML(scorecard.in_words(report.table(cpu, "teachers")))

# %% [markdown]
# ## Metrics
#
# Our effective rank is computed from a Gram matrix that is accumulated in float64, block by block. The alternatives are
# a full singular value decomposition, and scikit-learn's principal component analysis in the embeddings' own float32.
# Errors are relative to float64 singular values. The streaming rank is fed batches of 10,000 embeddings, which are
# never all in memory; drawing them is not part of its time.

# %%
# | name: tab-cost-metrics
# | caption: >-
# |   Time, memory and error of each metric and of its alternatives.
HTML(scorecard.in_words(report.table(cpu, "metrics")))

# %% [markdown]
# **How to read it.** Compare methods at the same number of embeddings: *relative to ours* is above 1 where a method is
# slower than ours. Then read down the column of memory: the streaming rank should need the same for any number of
# embeddings, and the uniformity over all pairs far less than a matrix of all pairs would take.
#
# ## Embeddings from files
#
# `asymdistill measure` on files that the system does not hold in memory, beside two rates: that of only reading the
# file, and that at which the machine's float64 matrix product could take in embeddings if it computed half of each
# symmetric product, which is enough. The lower of the two is the ceiling. *one pass of NumPy* adds up x and x xᵀ and
# yields the effective rank alone, without intervals. Where embeddings come from memory, no disk is involved.

# %%
# | name: tab-cost-files
# | caption: >-
# |   Rates at which embeddings in files are measured, beside the rates of reading and of the machine's matrix
# |   product.
HTML(scorecard.in_words(report.table(cpu, "files")))

# %% [markdown]
# **How to read it.** The extra memory should not grow with the number of embeddings; NumPy's includes the pages of the
# file that it has mapped. CPU time far below cores × time means that the cores were waiting or busy with other work:
# then compare CPU times.
#
# ## Sweeps
#
# These are [sweeps](13_sweep.ipynb) whose tasks do nothing: what is left is the cost of handing out tasks, of
# collecting results and of writing the table. As many tasks run at a time as there are cores.

# %%
# | name: tab-cost-sweeps
# | caption: >-
# |   Time and memory of simulated sweeps, by where tasks run; memory is that of the process that hands them out.
HTML(scorecard.in_words(report.table(cpu, "sweeps")))

# %% [markdown]
# **How to read it.** Compare the time per task with that of training a student, which is seconds to minutes. Only a
# limited number of tasks are handed out at a time, so memory should grow only by what the table holds for each student.
#
# ## The whole book
#
# From an empty store to the finished pages, all processes together.

# %%
# | name: tab-cost-book
# | caption: >-
# |   Time and memory of making the whole book.
HTML(scorecard.in_words(report.table(cpu, "book")))

# %% [markdown]
# ## Growth
#
# The exponents with which time and memory grow with size, each fitted to three sizes or more. An exponent of 1 is
# proportional growth; below 1, part of the cost is fixed; 0 is no growth at all.

# %%
# | name: tab-cost-growth
# | caption: >-
# |   Exponents with which time and memory grow with size.
HTML(scorecard.in_words(report.table(cpu, "growth")))

# %% mystnb={"image": {"alt": "Time over size on logarithmic axes, one panel per quantity, with the fitted exponent"}}
# | name: fig-cost-growth
# | caption: >-
# |   Time over size on logarithmic axes, one panel per quantity, with the fitted exponent.
figure = report.growth(cpu)
glue("fig_cost_growth", figure, display=False)

# %% [markdown]
# **How sure are we?** Each number is the shortest of a few repetitions, or a single pass where one takes long; only the
# rounds of the grid show how times spread. Other load on the machine can only make things slower. The share of the
# ceiling depends on what is counted: activations that stay in a cache move fewer bytes than is assumed. Three sizes are
# enough for a rough exponent, not for a law.
