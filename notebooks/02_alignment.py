# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which of the teacher's directions do students keep?
#
# **The question.** If a student spreads over fewer directions than its teacher, are those the teacher's strongest
# ones? And do students of different widths keep the same ones?
#
# **What the paper says** {cite:p}`thayani2026v1`. The alignment curves of the three students cannot be told apart,
# and the teacher's top 20 components hold over 90 % of a student's variance *(paper)*; distillation acts like a
# truncated principal component analysis. The released figure itself reads about 0.87 at 20 components *(read off the
# paper's figure)*.

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
# ## The curves
#
# Take the principal components of the teacher's centred test embeddings, in order of strength. Project a student's
# centred embeddings on them, and add up the share of the student's variance that the first *k* hold. The teacher's
# own curve shows how concentrated it is itself.

# %% mystnb={"image": {"alt": "Cumulative share of each model's variance within the teacher's leading components"}}
table = study.baseline("alignment")
figure = figures.alignment(table, evaluate.published("share_20"))
glue("fig_alignment", figure, display=False)

# %% [markdown]
# ## In numbers

# %%
report.for_readers(report.alignment_table(table))

# %% [markdown]
# ## What it means

# %%
reading = report.alignment(table)
for key, value in reading.items():
    glue(key, value, display=False)
Markdown(reading["reading_alignment"])

# %% [markdown]
# **How sure are we?** A curve that rises steeply says that the student's variance lies where the teacher's does. It
# does not say that the student matches the teacher image by image; the training loss in {doc}`01_collapse` does. A
# student that learnt nothing but the class means would rise steeply too.
