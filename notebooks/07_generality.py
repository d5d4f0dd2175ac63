# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Is it so with another teacher and other images?
#
# **The question.** The first paper has one teacher and one set of images. Do a teacher that never read a caption, and
# images of a hundred classes, give the same picture? And is there a rank that no student exceeds?
#
# **What the paper says** {cite:p}`thayani2026v2`. With DINOv2 on CIFAR-100 the students' effective rank is about 54
# *(paper)* by cosine distance alone and about 82 *(paper)* with an InfoNCE term, which it calls the limit of the
# network; large students are brittle under noise, small ones act as low-pass filters. From its first setting, CLIP on
# CIFAR-10, the paper changes teacher and images at once, so that the two effects can't be told apart. Which DINOv2 it
# is, what we have of its text does not say.
#
# **What is ours.** Each teacher with each set of images, all else equal. In the profiles on CIFAR the second teacher is
# DINOv2 ViT-S/14 *(our choice)*. In the book's own profile it is as large as the first and was trained on the same
# generated scenes by telling augmented views apart, without a caption; the second set of images has a hundred classes,
# the shapes by their colours, and is drawn by the same generator. Between the two sets the rank can therefore only
# differ by the draw; what changes is what is asked of the embeddings.

# %% tags=["parameters"]
profile = "embedded"
overrides = {}
runs_dir = None

# %%
# %matplotlib inline
from IPython.display import Markdown
from myst_nb import glue

from asymdistill.plots import expansion, expansion_report, report
from asymdistill.study.study import Study

study = Study.open(profile, overrides, runs_dir)
Markdown(study.description())

# %%
generality = study.generality()
reading = expansion_report.generality(generality)
limit = expansion_report.expansion(study.expansion())["reading_limit"]
for key, value in {**reading, "reading_limit": limit}.items():
    glue(key, value, display=False)

# %% [markdown]
# ## Teachers and images
#
# | explanation of a higher rank with DINOv2 on CIFAR-100 | with the other teacher | with the other images |
# | :--- | :--- | :--- |
# | the teacher's own embeddings have more directions | follows the teacher's rank | stays |
# | more classes give more directions | stays | rises |
# | the network's limit | the same | the same |

# %% mystnb={"image": {"alt": "Effective rank of teachers and students by data set, teacher and objective"}}
figure = expansion.crossing(generality)
glue("fig_generality_crossing", figure, display=False)

# %%
report.for_readers(expansion_report.crossed(generality))

# %%
Markdown(f"**What was seen.** {reading['reading_generality']}")

# %% [markdown]
# The ledger judges on the profile's own teacher and images. That InfoNCE raises the rank, which the paper says of
# DINOv2 on CIFAR-100: {verdict}`v2-dinov2-gains`. Its numbers for DINOv2 can be judged on the profile `cifar100-dinov2`
# only.
#
# ## Noise, with a hundred classes
#
# The paper's third figure shows robustness on CIFAR-100. Here is the accuracy of each model's clean probe on the set of
# images with the most classes; dotted is guessing. On the profile's own images the ledger finds, at sigma = 0.1: that S
# is more accurate than L, {verdict}`v2-brittle-0.1`; that S loses less than L, {verdict}`v2-low-pass-0.1`; that S loses
# no more than the teacher, {verdict}`v2-immunity-0.1`.

# %% mystnb={"image": {"alt": "Accuracy under noise on the images with the most classes, one panel a teacher"}}
figure = expansion.noise_elsewhere(generality)
glue("fig_generality_noise", figure, display=False)

# %%
Markdown(f"**What was seen.** {reading['reading_elsewhere']}")

# %% [markdown]
# ## Is there a limit?
#
# The paper calls the highest rank that it saw the limit of the network. A limit of the network would show as a rank
# that neither a larger weight nor a wider student exceeds; a limit set by the teacher or by the objective would move
# with them. Here the weight of InfoNCE is raised to the largest of [chapter 6](06_expansion.ipynb), at several widths.

# %% mystnb={"image": {"alt": "Effective rank against width, without InfoNCE, with it, and with the largest weight"}}
settings = study.settings
figure = expansion.pushed(
    study.expansion(), weight=settings.infonce_weight, largest=max(settings.infonce_weight, *settings.infonce_weights)
)
glue("fig_generality_limit", figure, display=False)

# %%
Markdown(f"**What was seen.** {limit}")

# %% [markdown]
# **How sure are we?** Ranges are over the students of each set, one a width and seed; where a second teacher or a
# second set of images is concerned there are fewer widths, and one teacher each: what is said of "self-supervised" and
# "vision-language" rests on a single pair. The embedded teachers differ in what they were trained on as well as in how
# much they know. Effective ranks are bounded by the number of test images and by the dimension of the embedding, which
# is 128 for both embedded teachers.
