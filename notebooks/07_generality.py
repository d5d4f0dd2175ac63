# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Is it the same with another teacher and other images?
#
# **The question.** The first paper has one {term}`teacher` and one set of images. Do another teacher and, where the
# {term}`profile` has them, other images give the same picture? And is there a rank that no student exceeds?
#
# **What the paper says** {cite:p}`thayani2026v2`. With DINOv2 on CIFAR-100, the students' {term}`effective rank` is
# about 54 *(paper)* with the cosine distance alone and about 82 *(paper)* with an {term}`InfoNCE` term. The paper calls
# the latter the limit of the network. It also says that large students are brittle under noise and that small ones act
# as {term}`low-pass filters <low-pass filter>`. Compared with its first setting, CLIP on CIFAR-10, teacher and images
# change at once, so that the two effects cannot be told apart. The part of its text that we have does not say which
# DINOv2 it is.
#
# **What is ours.** Each teacher is combined with each set of images, and all else stays the same. *photographs* are
# {term}`recorded runs <recorded run>` that differ in nothing else, with as many images and steps; the top of this page
# names each of them. Where a profile uses DINOv2, it is ViT-S/14 *(our choice)*. The teacher `vit-s14-saliency` is
# another one: a network of that shape whose training began with DINOv2's weights and went on for another task. It is no
# evidence about DINOv2. In the profile `embedded`, the first teacher is a convolutional network that learned from
# ImageNet's labels, and the other is a small transformer that learned from captions of generated scenes. Where a
# profile names `scenes100` as a second set of images, it has a hundred classes, one for each pair of shape and colour,
# and comes from the same generator. Between the two sets of generated scenes the rank can therefore differ only by the
# draw of the images; what changes is the task of the {term}`probe <linear probe>`.

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
from asymdistill.plots import generality as chapter
from asymdistill.plots import scorecard
from asymdistill.plots.tables import for_readers
from asymdistill.study import Evidence, Study

study = Study.open(profile, overrides, runs_dir)
evidence = Evidence(study, recorded)
Markdown(evidence.description("generality"))

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
        "v2-dinov2-baseline-rank",
        "v2-dinov2-infonce-rank",
        "v2-dinov2-gains",
        "v2-limit",
        "v2-low-pass-0.1",
        "v2-immunity-0.1",
    ],
)
HTML(scorecard.answers(answers))

# %% tags=["nbval-check-output", "remove-cell"]
print(scorecard.lines(answers))

# %%
generality = evidence.generality()

# %% [markdown]
# ## Teachers and images
#
# | explanation of a higher rank with DINOv2 on CIFAR-100 | with the other teacher | with the other images |
# | :--- | :--- | :--- |
# | the teacher's own embeddings have more directions | follows the teacher's rank | stays the same |
# | more classes give more directions | stays the same | rises |
# | the network's limit | stays the same | stays the same |

# %% mystnb={"image": {"alt": "Effective rank of teachers and students by data set, teacher and objective"}}
# | name: fig-generality-ranks
# | caption: >-
# |   Effective rank of teachers and students, one row per pair of images and teacher, one mark per seed. Open marks
# |   are students of the second objective.
figure = chapter.ranks(generality)
glue("fig_generality_crossing", figure, display=False)

# %%
# | name: tab-generality
# | caption: >-
# |   Effective ranks of teacher and student for each pair of images and teacher, without and with the InfoNCE term.
table_generality = for_readers(chapter.table(generality))
glue("table_generality", table_generality, display=False)
table_generality

# %% [markdown]
# **How to read it.** Numbers are means ± standard deviations over all students of a pair, one per width and seed. The
# factor is the rank with InfoNCE divided by the rank without it. Compare rows of one run or of *photographs*, and of
# these rows that differ in one thing only. Same images, other teacher: does the students' rank move with the teacher's?
# The column *below teacher* says by how many percent the students of the cosine loss fall short of their own teacher;
# similar values in all rows speak for the first explanation. Same teacher, other images: does the rank rise with the
# number of classes? If the students' ranks are the same in all rows, whatever the teacher, that speaks for a limit of
# the network. A factor above 1 in every row shows that InfoNCE raises the rank in general, not only in one setting.
#
# Claims are judged on the profile's own teacher and images. That InfoNCE raises the rank: {verdict}`v2-expands`. The
# paper calls it a universal requirement; that it is required, these rows cannot show, and section 5 of {doc}`the
# controls <08_controls>` tries other ways to a higher rank. The paper's numbers for DINOv2 can be judged on the profile
# `cifar100-dinov2` only.
#
# ## Accuracy under noise
#
# The paper's third figure shows robustness on CIFAR-100. Here is the accuracy of each model's probe, which is fitted on
# clean embeddings, on the set of images with the most classes; the dotted line is guessing.

# %% mystnb={"image": {"alt": "Accuracy under noise on the images with the most classes, one panel per teacher"}}
# | name: fig-generality-noise
# | caption: >-
# |   Accuracy under noise on the images with the most classes, one panel per teacher.
figure = chapter.noise(study.generality())
glue("fig_generality_noise", figure, display=False)

# %%
# | name: tab-generality-noise
# | caption: >-
# |   Accuracy lost to noise for each pair of images and teacher.
for_readers(chapter.noise_table(generality))

# %% [markdown]
# **How to read it.** The table shows points of accuracy lost to noise, for every pair, up to the highest level that all
# have in common (σ). If students are brittle, they lose more than their teacher; if small students act as low-pass
# filters, they lose less than large ones. Losses in points need care. A model that begins with a low accuracy has less
# to lose, and near guessing nothing more can be lost; with a hundred classes, guessing is at 1 % instead of 10 %. And
# where students see another resolution than the teacher, noise on their inputs is not the same for both.
#
# The verdicts on the profile's own images, at $\sigma = 0.1$: that with InfoNCE S loses less than L,
# {verdict}`v2-low-pass-0.1`; that S recovers the teacher's immunity, {verdict}`v2-immunity-0.1` without InfoNCE and
# {verdict}`v2-immunity-infonce-0.1` with it.
#
# ## Is there a limit?
#
# The paper calls the highest rank that it saw the limit of the network. Such a limit would be a rank that does not grow
# with the weight of the term. A limit set by the objective would move with the weight, one set by the teacher would lie
# near the teacher's own rank. A profile can raise the weight of InfoNCE to the largest value of [chapter
# 6](06_expansion.ipynb) at several widths; where it does not, the table has the usual weight alone, and the question
# stays open.

# %% mystnb={"image": {"alt": "Effective rank against width, without InfoNCE, with it, and with the largest weight"}}
# | name: fig-limit
# | caption: >-
# |   Effective rank against the student's width, without InfoNCE, with it, and with the largest weight that was
# |   tried, beside the teacher.
settings = study.settings
weights = {
    "weight": settings.infonce_weight,
    "largest": max(settings.infonce_weight, *settings.infonce_weights),
}
figure = chapter.limit(study.expansion(), **weights)
glue("fig_generality_limit", figure, display=False)

# %%
# | name: tab-limit
# | caption: >-
# |   Effective rank by width of the student and weight of the InfoNCE term.
for_readers(chapter.limit_table(study.expansion(), **weights))

# %% [markdown]
# **How to read it.** Read down a column for the effect of width, and along a row for the effect of the weight. If the
# largest weight gives the same rank as the usual one, at every width, something else than the weight limits the rank;
# if that rank lies near the teacher's, it may be the teacher. If the rank still rises with weight or width, the highest
# rank seen is not a limit but the end of what was tried. The tables of chapter 6 show whether another objective goes
# further.
#
# **How sure are we?** With a second teacher or a second set of images there may be fewer widths, and each kind of
# teacher is represented by one: what is said of "self-supervised" and "vision-language" teachers rests on one of each.
# Teachers also differ in size and in what they were trained on. Effective ranks are bounded by the number of test
# images and by the dimension of the embedding; either bound can be mistaken for a limit of the network.
