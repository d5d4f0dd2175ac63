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
# **The question.** A large vision transformer spreads its {term}`embeddings <embedding>` over many directions. When a
# small convolutional network, the {term}`student`, learns to imitate it, over how many directions do the student's
# embeddings spread, and does a {term}`wider <width>` student spread them further?
#
# **What the paper says** {cite:p}`thayani2026v1`. The {term}`teacher` has an {term}`effective rank` of 88.68 *(paper)*
# and needs 152 dimensions for 90 % of its variance *(paper)*. Students of three sizes all end near 16: at 15.91, 16.62
# and 16.66 *(paper)*. The paper calls this a capacity-agnostic {term}`collapse` and concludes that the objective
# imposes an absolute bottleneck.
#
# The effective rank counts directions, weighted by how much of the variance lies in each: it is 1 when all embeddings
# lie on a line, and equals the dimension when all directions carry the same. {doc}`Methods <../book/methods>` has the
# equation and both estimators.

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
from asymdistill.plots import collapse, scorecard, tables
from asymdistill.plots.spectrum_lab import spectrum_lab
from asymdistill.study import Evidence, Study

study = Study.open(profile, overrides, runs_dir)
evidence = Evidence(study, recorded)
Markdown(evidence.description("spectrum", "singular_values"))

# %% [markdown]
# ## The claims of this chapter
#
# The column *paper* has the paper's value and, below it, the claimed range. The other columns have the {term}`verdict`,
# with the measured value and, where it varies with the {term}`seed`, its 95 % interval: on the largest {term}`recorded
# run` of photographs that can judge the claim, and on this copy. An order of several widths has to hold at every step;
# its number is the difference between the two ends. Absolute numbers are judged only in the paper's own setting.
# {doc}`The scorecard <09_scorecard>` has the reasons.

# %%
answers = judge(evidence, ["v1-rank-16", "v1-reduction", "v1-rank-same", "v1-rank-average"])
HTML(scorecard.answers(answers))

# %% tags=["nbval-check-output", "remove-cell"]
print(scorecard.lines(answers))

# %% [markdown]
# ## The images and the models
#
# Each column is one class and each tile one test image, as the models see it before normalisation.

# %% mystnb={"image": {"alt": "Test images, one column per class"}}
# | name: fig-images
# | caption: >-
# |   Four test images of each of up to ten classes, one class per column, as the models see them before normalisation.
_ = collapse.gallery(study.images("test"))

# %% [markdown]
# The teacher is frozen. A student has three convolutional blocks and a two-layer head; its width scales the number of
# channels. The parameters are counted from the networks, not taken from the paper.

# %% tags=["nbval-check-output"]
# | name: tab-models
# | caption: >-
# |   The models: width as a factor on the student's channels, number of parameters, and dimensions of the embeddings.
tables.models(study.models())

# %% [markdown]
# ## Did the students learn?
#
# A rank means little if training failed. With the cosine objective, the training loss is the mean {term}`cosine
# distance` between student and teacher: 0 is a perfect imitation, 1 is no relation at all. Any other objective adds its
# term.

# %% mystnb={"image": {"alt": "Training loss of each student against the epoch"}}
# | name: fig-losses
# | caption: >-
# |   Training loss of each student over the epochs. Lines are means over the seeds; bands reach from the smallest to
# |   the largest value.
_ = collapse.losses(study.baseline("training"))

# %% [markdown]
# ## The ranks: the paper's, on photographs, and in this copy
#
# *paper* is what the paper reports for CIFAR-10 and CLIP ViT-B/32. *photographs* is the {term}`recorded run` named at
# the top, and *this copy* the run behind this copy of the book. Their entries are means over students, one per
# {term}`seed`, ± the standard deviation (ddof = 0, as in the paper). Where there are several widths, the last row is
# the widest student minus the narrowest, paired by seed. Teachers and images differ, so compare the columns by what
# students keep of their own teacher's rank and by how they are ordered, not number by number.

# %%
# | name: tab-ranks
# | caption: >-
# |   Effective rank, and the number of dimensions that hold 90 % of the variance, beside the paper's values.
spectrum = evidence.baseline("spectrum")
for key, value in collapse.numbers(spectrum[THIS_COPY]).items():
    glue(key, value, display=False)
table = tables.for_readers(collapse.table(spectrum))
glue("table_collapse", table, display=False)
table

# %% mystnb={"image": {"alt": "Effective rank of the teacher and of each student, beside the paper's values"}}
# | name: fig-ranks
# | caption: >-
# |   Effective rank of the teacher and of each student, one mark per seed. Open marks are the paper's values. The
# |   axis is logarithmic.
figure = collapse.ranks(spectrum)
glue("fig_ranks", figure, display=False)

# %% [markdown]
# ## The spectra behind the ranks
#
# A rank is one number for a whole curve. Here is the curve, the {term}`spectrum`: the share of the variance in each
# {term}`principal component`, from the largest to the smallest.

# %% mystnb={"image": {"alt": "Share of the variance in each principal component, teacher and students"}}
# | name: fig-spectra
# | caption: >-
# |   Share of the variance in each principal component, on logarithmic axes. Lines are means over the seeds; bands
# |   reach from the smallest to the largest value.
figure = collapse.spectra(evidence.baseline("singular_values"))
glue("fig_spectrum", figure, display=False)

# %% [markdown]
# ## Play with a spectrum
#
# Which spectra have a low rank? Drag the bars, or move to one with the tab key and use the arrow keys. Each bar is the
# variance of a group of components. Groups double in size: each holds as many components as all before it together,
# except the first and perhaps the last. The ranks below the picture belong to the spectrum that is shown, and so does
# the dotted line, the number of components that hold 90 % of the variance.
#
# Things to try: halve the first bar. Raise the last one a little. Compare how much each of the two ranks moves. Then
# leave the mean in. All embeddings are unit vectors, so the squared length of their mean is what their variance lacks
# of 1; the picture adds it as one more component. (That takes the mean to be at right angles to all components. It need
# not be, so the rank is approximate.) All other ranks in this book are measured {term}`without the mean <centring>`.

# %%
# | name: fig-spectrum-lab
# | caption: >-
# |   A spectrum to play with: variance by group of components, its cumulative share, and the ranks that follow. One
# |   student stands for each width, that of the first seed.
lab = HTML(spectrum_lab(evidence.baseline("singular_values"), evidence.test_images("singular_values")))
glue("spectrum_lab", lab, display=False)
lab

# %% [markdown]
# ## Two estimators, one name
#
# The paper's table speaks of a three-seed average of effective ranks. Its notebook averages the singular values over
# the seeds first and takes the rank of that mean spectrum, which is another quantity. The table below has both, for
# this copy. It also has the rank by plain ("amplitude") instead of squared ("variance") singular values, which the
# literature calls effective rank, too, and which is never smaller.

# %%
# | name: tab-rank-estimators
# | caption: >-
# |   Effective rank of this copy's models by estimator: weighted by variance or by amplitude, and averaged after or
# |   before the rank is taken.
tables.for_readers(collapse.estimators(spectrum[THIS_COPY]))

# %% [markdown]
# ## What it means
#
# **How to read it.** The paper's collapse is two statements, and the table speaks to both.
#
# - *Students lose dimensions.* Compare the teacher's row with the others. Students far below their teacher have lost
#   directions; students near it or above it have not. Judge the loss as a share of the teacher's own rank: a teacher
#   with a low rank has less to lose.
# - *Width does not matter.* Look at the last row. With three seeds, a difference of less than about three times the
#   number after ± can be chance: then this run cannot tell the widest student from the narrowest. A larger one shows
#   that width changes the rank. Whether the change is large enough to count is another question; the claim allows for a
#   small one.
#
# The spectra show where a loss happens: a student whose curve falls below the teacher's only in the tail keeps the
# strong directions and drops the weak ones.
#
# **How sure are we?** The spread over seeds is in the table; seeds change initial weights and the order of the images,
# not the images themselves. An effective rank depends on the number of embeddings it is measured on, so compare ranks
# only at the same number of test images. And a low rank does not say why it is low: an objective that causes collapse,
# a student that has not finished learning, and a data set with few classes all predict it. {doc}`The controls
# <08_controls>` try to tell these apart.
