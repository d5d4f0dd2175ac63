# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Do wider students keep more information?
#
# **The question.** If all students span equally many directions, what does a wider one gain?
#
# **What the paper says** {cite:p}`thayani2026v1`. Two measures improve a little with every step in width. The InfoNCE
# loss, which asks how well a student's embedding picks its own teacher embedding out of a batch, falls from 3.3117 to
# 3.2738 *(paper)*, and the uniformity loss, which asks how evenly embeddings cover the sphere, from −0.4061 to
# −0.4285 *(paper)*. Both rest on one seed. Here InfoNCE only measures; {doc}`06_expansion` trains with it.

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
# ## Both measures, beside the paper's
#
# Both are computed within consecutive batches of test images, as the paper's notebook does, and averaged over the
# batches. For both, lower is better. The paper's values come from another data set, another teacher and another
# number of dimensions: what can be compared is the order of the students.

# %%
table = study.baseline("information")
students = table[table["model"] != "teacher"]
published = {quantity: evaluate.published(quantity) for quantity in ("info_nce", "uniformity")}

# %%
infonce = students[students["quantity"] == "info_nce"]
infonce_table = report.beside_paper(infonce, published["info_nce"], ["model"], "value", digits=4)
infonce_table = report.for_readers(infonce_table)
glue("table_infonce", infonce_table, display=False)
infonce_table

# %%
uniformity = students[students["quantity"] == "uniformity"]
report.for_readers(report.beside_paper(uniformity, published["uniformity"], ["model"], "value", digits=4))

# %% mystnb={"image": {"alt": "InfoNCE and uniformity loss of each student, one dot a seed"}}
figure = figures.information(table)
glue("fig_infonce", figure, display=False)

# %% [markdown]
# ## The estimator matters
#
# InfoNCE gives a lower bound on the mutual information between the two embeddings, the logarithm of the batch size
# minus the loss {cite:p}`oord2018`; it cannot exceed that logarithm, whatever the true value. The paper's uniformity
# counts each point's zero distance to itself among the pairs of a batch, which pulls it towards 0. Without those
# self-pairs, and over all pairs of the test set, it reads:

# %%
report.for_readers(
    report.measures(
        table, ["mutual_information_bound", "uniformity", "uniformity_without_self", "uniformity_all_pairs"]
    )
)

# %% [markdown]
# ## What it means

# %%
reading = report.information(table)
for key, value in reading.items():
    glue(key, value, display=False)
Markdown(reading["reading_infonce"])

# %% [markdown]
# **How sure are we?** The differences between widths have to be held against the differences between seeds: the dots
# of one row in the figure are the same network from other initial weights. The paper gives one seed, so its own order
# of the students has no spread to compare with.
