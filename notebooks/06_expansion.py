# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does a contrastive term bring the rank back?
#
# **The question.** If the cosine loss leaves the students in few directions, what happens when a second term is added
# that asks them to tell images apart? Does the rank grow, by how much, and what are the new directions good for?
#
# **What the paper says** {cite:p}`thayani2026v2`. The second version adds an InfoNCE term and reports that on CIFAR-10
# with CLIP the effective rank grows from about 16 *(paper)* to about 38 *(paper)*, a factor of 2.4 *(paper)*, that the
# spectrum then follows the teacher's, and that the cause of the collapse is the objective. What we have of its text
# does not give the weight of the term, its temperature, or whether the positives are the teacher's embeddings or a
# second view.
#
# **What is ours.** Weight 1 and temperature 0.1, the latter as in the paper's own InfoNCE measurement; the positive of
# an image is the teacher's embedding of the same image, its negatives are the teacher's embeddings of the rest of the
# batch. All of it are settings, and below they are varied. {doc}`Methods <../book/methods>` has the equations.

# %% tags=["parameters"]
profile = "embedded"
overrides = {}
runs_dir = None

# %%
# %matplotlib inline
from IPython.display import Markdown
from myst_nb import glue

from asymdistill.claims import evaluate
from asymdistill.plots import expansion as expansion_figures
from asymdistill.plots import expansion_report, report
from asymdistill.study.study import Study

study = Study.open(profile, overrides, runs_dir)
Markdown(study.description())

# %%
expansion = study.expansion()
gains = expansion[expansion["comparison"] == "gains"]
paper = evaluate.load().set_index("id")["value"]
chance = 100 / len(study.experiment.test.class_names)
reading = expansion_report.expansion(expansion) | expansion_report.longer(gains, study.controls())
for key, value in reading.items():
    glue(key, value, display=False)

# %% [markdown]
# Filled marks and solid lines are students of the cosine loss alone, open marks and dashed lines those with InfoNCE
# beside it: same networks, same seeds, same order of the images. A number with a bracket is a mean, with the least, the
# greatest and the count $n$ of what it was taken over: students (one a width and seed) or seeds. A change is taken
# between two students that share width and seed. The paragraphs that begin "What was seen" are written by the run.
#
# ## The rank
#
# | explanation of the collapse | rank with InfoNCE | where the new variance lies |
# | :--- | :--- | :--- |
# | the cosine loss lets directions go that cost it little | rises at every width | where the teacher has its own |
# | the network can't hold more | stays | |
# | the students know no more of the teacher | may rise | much of it elsewhere: spread, not knowledge |

# %% mystnb={"image": {"alt": "Effective rank by model and objective, and the factor between the two objectives"}}
figure = expansion_figures.ranks(gains, published=paper["v2-expansion"])
glue("fig_expansion_ranks", figure, display=False)

# %%
Markdown(f"**What was seen.** {reading['reading_expansion']}")

# %% [markdown]
# The dotted line is the paper's factor, for CLIP and CIFAR-10. What the ledger makes of these numbers: the factor,
# {verdict}`v2-expansion`; that the spectrum follows the teacher's more closely, {verdict}`v2-spectrum-follows`.
#
# ## The spectrum
#
# The paper's first figure shows singular values on a logarithmic scale. Here is the share of the variance in each
# component, mean and range over the seeds.

# %% mystnb={"image": {"alt": "Share of the variance in each component, teacher and students of both objectives"}}
figure = expansion_figures.spectra(study.singular_values())
glue("fig_expansion_spectra", figure, display=False)

# %% [markdown]
# ## What the directions are good for
#
# A higher rank is not a better student. Four questions to the same embeddings: can a linear probe read the classes, do
# the nearest neighbours share them, are the nearest neighbours the teacher's own, and how much of the variance lies in
# the components that hold 90 % of the teacher's?

# %% mystnb={"image": {"alt": "Probe, neighbours, shared neighbours and aligned variance by model and objective"}}
figure = expansion_figures.worth(gains)
glue("fig_expansion_worth", figure, display=False)

# %% mystnb={"image": {"alt": "Accuracy under noise of the teacher and of students of both objectives"}}
figure = expansion_figures.noise(gains, chance=chance)
glue("fig_expansion_noise", figure, display=False)

# %%
Markdown(f"**What was seen.** {reading['reading_worth']}")

# %% [markdown]
# ## Or by training for longer?
#
# A term that is hard to satisfy may only make the student learn faster what the cosine loss would teach it in time. The
# first control ([chapter 8](08_controls.ipynb)) trains the narrowest student for longer, without any term.

# %%
Markdown(f"**What was seen.** {reading['reading_longer']}")

# %% [markdown]
# ## Weight, temperature, batch
#
# The narrowest student, with one setting varied at a time. A larger batch gives InfoNCE more negatives, and every
# student fewer steps, so the students of the cosine loss alone stand beside it.

# %% mystnb={"image": {"alt": "Rank and accuracy against weight, temperature and batch size"}}
figure = expansion_figures.sweeps(expansion)
glue("fig_expansion_sweeps", figure, display=False)

# %%
report.for_readers(expansion_report.varied(expansion))

# %%
Markdown(f"**What was seen.** {reading['reading_sweeps']}")

# %% [markdown]
# ## Other ways to the same end
#
# InfoNCE is one of several terms that were made against collapse. The narrowest student again: with InfoNCE between two
# views of an image, as the first paper's outlook has it (SimCLR's loss); with VICReg's variance and covariance terms;
# with a term for uniformity on the sphere; and with no term but whitened targets.

# %% mystnb={"image": {"alt": "Rank, accuracy and shared neighbours of the narrowest student by objective"}}
figure = expansion_figures.alternatives(expansion)
glue("fig_expansion_alternatives", figure, display=False)

# %%
report.for_readers(expansion_report.compared(expansion))

# %%
Markdown(f"**What was seen.** {reading['reading_alternatives']}")

# %% [markdown]
# **How sure are we?** Ranges over seeds are in every bracket; seeds change initial weights and the order of the images.
# All objectives had the same number of steps, and none was tuned: at other settings another objective may come first,
# and a profile that trains for longer may order them otherwise. A term that spreads embeddings raises the rank whether
# or not anything is learned by it, as the controls show for a network that was not trained at all ([chapter
# 8](08_controls.ipynb)), so that the rank alone is no evidence of quality.
