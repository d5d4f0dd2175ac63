# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Do all students collapse to the same rank?
#
# **The question.** A large vision transformer spreads its embeddings over many directions. When a small convolutional
# network learns to imitate it, over how many directions do the student's embeddings spread, and does a wider student
# spread them further?
#
# **What the paper says** {cite:p}`thayani2026v1`. The teacher has an effective rank of 88.68 *(paper)*, needing 152
# dimensions for 90 % of its variance *(paper)*. Students of three sizes all end near 16 *(paper)*: 15.91, 16.62 and
# 16.66. It calls this a capacity-agnostic collapse and concludes that the objective imposes an absolute bottleneck.
#
# The effective rank counts directions, weighted by how much of the variance lies in each: it is 1 when all embeddings
# lie on a line, and equals the dimension when all directions carry the same. {doc}`Methods <../book/methods>` has the
# equation and both estimators.

# %% tags=["parameters"]
profile = "embedded"
overrides = {}
runs_dir = None

# %%
# %matplotlib inline
from IPython.display import Markdown
from myst_nb import glue

from asymdistill.claims import evaluate
from asymdistill.plots import figures, report
from asymdistill.study.study import Study

study = Study.open(profile, overrides, runs_dir)
Markdown(study.description())

# %% [markdown]
# ## The images and the models
#
# Each column is one class, each tile one test image, as the models see it before normalisation.

# %% mystnb={"image": {"alt": "Test images, one class a column"}}
test = study.experiment.test
_ = figures.gallery(test.images, test.labels, test.class_names)

# %% [markdown]
# The teacher is frozen. A student has three convolutional blocks and a two-layer head; its width scales the number of
# channels. The sizes below are counted from the networks, not taken from the paper.

# %%
# NBVAL_CHECK_OUTPUT
report.for_readers(study.models()[["model", "width", "parameters", "embedding_dim"]])

# %% [markdown]
# ## Did the students learn?
#
# A rank means little if training failed. The training loss is the mean cosine distance between student and teacher: 0
# is a perfect imitation, 1 is no relation at all. Lines are means over the seeds, bands reach from the least to the
# greatest.

# %% mystnb={"image": {"alt": "Training loss of each student against the epoch"}}
_ = figures.losses(study.baseline("training"))

# %% [markdown]
# ## The ranks, beside the paper's
#
# `paper` is what the paper reports for CIFAR-10 and CLIP ViT-B/32. `this run` is the mean over seeds of the rank of
# each seed's student, ± the standard deviation (ddof = 0, as in the paper).

# %%
spectrum = study.baseline("spectrum")
per_seed = spectrum[spectrum["estimator"] == "per seed"]
paper = evaluate.published("effective_rank")
ranks = per_seed[per_seed["quantity"] == "effective_rank"]
table = report.beside_paper(ranks, paper, ["model"], "value", digits=2)
table = report.for_readers(table)
glue("table_collapse", table, display=False)
table

# %% mystnb={"image": {"alt": "Effective rank of the teacher and of each student, beside the paper's values"}}
figure = figures.ranks(spectrum, paper)
glue("fig_ranks", figure, display=False)

# %%
dims = per_seed[per_seed["quantity"] == "dims_for_90"]
report.for_readers(report.beside_paper(dims, evaluate.published("dims_for_90"), ["model"], "value", digits=1))

# %% [markdown]
# ## The spectra behind the ranks
#
# A rank is one number for a whole curve. Here is the curve: the share of the variance in each principal component,
# from the largest to the smallest.

# %% mystnb={"image": {"alt": "Share of the variance in each principal component, teacher and students"}}
figure = figures.spectra(study.baseline("singular_values"))
glue("fig_spectrum", figure, display=False)

# %% [markdown]
# ## Two estimators, one name
#
# The paper's table speaks of a three-seed average of effective ranks. Its notebook averages the singular values over
# the seeds first and takes the rank of that mean spectrum, which is another quantity. Both are here, and so is the
# rank of the plain ("amplitude") singular values, which the literature also calls effective rank and which is always
# larger.

# %%
report.for_readers(report.estimators(spectrum))

# %% [markdown]
# ## What it means

# %%
reading = report.collapse(spectrum)
for key, value in reading.items():
    glue(key, value, display=False)
Markdown(reading["reading_collapse"])

# %% [markdown]
# **How sure are we?** The spread over seeds is in the table; seeds change initial weights and the order of the
# images, not the images themselves. An effective rank depends on the number of embeddings it is measured on, so
# compare ranks only at the same number of test images. And a low rank by itself does not tell why it is low: an
# objective that collapses, a student that has not finished learning, and a data set with few classes all predict it.
