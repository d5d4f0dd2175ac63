# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does a low rank cost robustness to noise?
#
# **The question.** A {term}`linear probe` is fitted on clean embeddings. What is left of its accuracy when the images
# are noisy, and does a wider student suffer more?
#
# **What the paper says** {cite:p}`thayani2026v1`. The teacher's probe goes from 94.31 % to 89.35 % at $\sigma = 0.1$
# *(paper)*. The students fall much further, and their order is reversed: at $\sigma = 0.1$ the smallest keeps 54.84 ±
# 3.73 % and the largest 43.76 ± 6.10 % *(paper, three seeds)*. The paper takes the lost dimensions to be the cause, and
# small students to be {term}`low-pass filters <low-pass filter>`.

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

from asymdistill.builder.answers import judge
from asymdistill.config.names import THIS_COPY
from asymdistill.plots import robustness, scorecard, tables
from asymdistill.plots.cut_teacher import cut_the_teacher
from asymdistill.study import Evidence, Study

study = Study.open(profile, overrides, runs_dir)
evidence = Evidence(study, recorded)
Markdown(evidence.description("robustness", "control-truncation"))

# %% [markdown]
# ## The claims of this chapter
#
# The column *paper* has the paper's value and, below it, the claimed range. The other columns have the {term}`verdict`,
# with the measured value and, where it varies with the {term}`seed`, its 95 % interval: on the largest {term}`recorded
# run` of photographs that can judge the claim, and on this copy. An order of several widths has to hold at every step;
# its number is the difference between the two ends. Absolute numbers are judged only in the paper's own setting.
# {doc}`The scorecard <09_scorecard>` has the reasons.

# %%
answers = judge(
    evidence,
    [
        "v1-teacher-marginal-0.1",
        "v1-students-lose-0.1",
        "v1-crossover-0.05",
        "v1-inversion-0.1",
        "v1-inversion-0.2",
        "v1-inverse-scaling-0.1",
        "v1-low-pass-0.1",
    ],
)
HTML(scorecard.answers(answers))

# %% tags=["nbval-check-output", "remove-cell"]
print(scorecard.lines(answers))

# %% [markdown]
# ## What the noise looks like
#
# The paper adds its noise to the {term}`normalised tensor`, and draws it anew for each pixel of the resized image. With
# CLIP's normalisation, $\sigma = 0.1$ is about 0.027 of the range of a pixel; with another it is another share, which
# the axes below name. A noisy photograph is something else: there, noise is added to the original picture, which is
# then clipped and rounded (`pixel`, where settings name the kinds of noise). Where teacher and students see different
# resolutions, noise on their inputs is not the same disturbance for both; noise on the picture is, so it is the fairer
# comparison. Here, the noise is drawn from a seed and is the same for all models that take the same input.

# %% mystnb={"image": {"alt": "The same test images under increasing noise in each noise space"}}
# | name: fig-noisy-images
# | caption: >-
# |   Three test images under increasing noise from left to right: noise on the network's normalised input, and noise on
# |   the picture.
_ = robustness.noisy_gallery(study.images("test"), study.settings)

# %% [markdown]
# ## Accuracy under noise

# %% mystnb={"image": {"alt": "Probe accuracy against the standard deviation of the noise, teacher and students"}}
# | name: fig-noise
# | caption: >-
# |   Accuracy of a linear probe against the standard deviation of the noise, for the paper and for each run. Lines are
# |   means over the seeds; the dotted line is guessing.
measured = evidence.baseline("robustness")
options = {"chance": evidence.chance("robustness"), "pixels": evidence.pixels("robustness")}
figure = robustness.accuracy(measured, **options)
glue("fig_robustness", figure, display=False)

# %% [markdown]
# The paper's bands are its standard deviations, the others reach from the smallest to the largest value over the seeds.
# In the table, *noise* says where it is added: to the network's *input*, the normalised tensor, as in the paper, or to
# the *picture*. The paper's values are for CIFAR-10 and CLIP; *photographs* is the {term}`recorded run` that the top of
# this page names and *this copy* the run behind this copy of the book. A dash stands where there is no number. Where
# there are several widths, there are rows for the widest student minus the narrowest, in points and paired by seed.

# %%
# | name: tab-noise
# | caption: >-
# |   Accuracy of a linear probe in %, by standard deviation of the noise and by what the noise is added to.
for key, value in robustness.numbers(measured[THIS_COPY]).items():
    glue(key, value, display=False)
table = tables.for_readers(robustness.table(measured))
glue("table_robustness", table, display=False)
table

# %% [markdown]
# ## What it means
#
# **How to read it.** There are two claims to check.
#
# - *Students are more fragile than their teacher.* Compare what each model loses from the first to the last noise
#   level, not the accuracies at one level. A model that starts higher has more to lose; so the claims on what a model
#   loses are judged by the share of its accuracy above chance; those on the order of two students, by the difference of
#   their accuracies.
# - *The order of the widths inverts.* Look at the rows of differences. An inversion is a difference that is positive on
#   clean images and negative under strong noise, both times by more than about three times the number after ±, which
#   with three seeds is half the width of its 95 % interval. If the difference keeps its sign, there is no inversion; if
#   it lies nearer to zero, nothing is shown.
#
# Where all models come near the dotted line, the probe is guessing and their order means nothing.
#
# **How sure are we?** The order of two students at one noise level is a statement about a few seeds. From the paper's
# own means and spreads, Welch's test for S against L at $\sigma = 0.1$ gives:

# %% tags=["nbval-check-output"]
# | name: tab-welch
# | caption: >-
# |   Welch's t-test of the paper's own accuracies at σ = 0.1, from its printed means and spreads.
tables.for_readers(robustness.welch("S", "L", sigma=0.1))

# %% [markdown]
# ## Cut the teacher
#
# If a low rank made a model fragile, the teacher should become fragile when it is cut to few {term}`principal
# components <principal component>`. Choose how many of the strongest it keeps, and how strong the noise is. Compare
# what the cut teacher loses with what the whole teacher and the students lose. Section 3 of {doc}`the controls
# <08_controls>` has the experiment, with random directions and weak components for comparison. Where students see
# another resolution than the teacher, noise on their inputs is not the same for both: then compare only the cut teacher
# with the whole one.

# %%
# | name: fig-cut-robustness
# | caption: >-
# |   Accuracy of the teacher cut to its first components, beside the whole teacher and the students, at the chosen
# |   noise. Students are means over the seeds.
HTML(cut_the_teacher(evidence.control("truncation")))

# %% [markdown]
# A lower rank and a lower robustness that appear together need not be cause and effect: a student differs from its
# teacher in much besides its rank. {doc}`The controls <08_controls>` look for other causes.
