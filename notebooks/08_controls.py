# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does anything plainer explain the collapse?
#
# **The question.** The paper {cite:p}`thayani2026v1` measures two things, a low rank and a fragility to noise, and
# reads both as geometry: a bottleneck that holds at every size and that makes students brittle. Which other
# explanations would give the same measurements, and which of them survive an experiment that could tell them apart?
#
# **What the paper says.** The first version has one control, augmentation, for one width and one seed
# ([chapter 5](05_augmentation.ipynb)). The second {cite:p}`thayani2026v2` reports an ablation of the architecture, from
# which it concludes that the collapse comes from the objective; how that was done is not public. Section 5 below trains
# one network for other ends, and [chapter 6](06_expansion.ipynb) adds further terms to the cosine distance. No run of
# either version varies the length of training, the number of classes, the receptive field or the noise while all else
# stays.
#
# **Why a control is needed.** A rank of 16 can be had without any bottleneck. A student that has learned the teacher's
# strong components better than the weak ones shows a shorter spectrum than the teacher, however wide it is. Ten tight
# clusters span nine directions. A probe can lose its accuracy under noise because a convolution sees the noise at full
# resolution, or because batch statistics no longer fit, with the rank playing no part. Each section below sets what
# these explanations predict beside what was measured, in one experiment each. The predictions were written down
# before the results were seen.

# %% tags=["parameters"]
profile = "embedded"
overrides = {}
runs_dir = None

# %%
# %matplotlib inline
from IPython.display import Markdown
from myst_nb import glue

from asymdistill.claims import evaluate
from asymdistill.plots import control_report, report
from asymdistill.plots import controls as control_figures
from asymdistill.study.study import Study

study = Study.open(profile, overrides, runs_dir)
Markdown(study.description())

# %% [markdown]
# A number with a bracket is a mean, with the least, the greatest and the count $n$ of what it was taken over: students
# (one a width and seed), seeds, or random draws. A change is taken between two students that share their seed. Every
# paragraph that begins a "What was seen" is written by the run from its table; another profile gives other words.

# %%
controls = study.controls()
paper = evaluate.published("accuracy")
chance = 100 / len(study.experiment.test.class_names)
reading = control_report.readings(
    controls, epochs=study.settings.epochs, images=len(study.experiment.test), published=paper
)
for key, value in reading.items():
    glue(key, value, display=False)

# %% [markdown]
# ## 1. Underfitting
#
# Is the rank low because the students have not finished learning? $R^2_k$ is the squared correlation, over images,
# between student and teacher along the teacher's $k$-th component. From these numbers alone follows what the rank would
# be if each component were only shrunk by what is unknown of it: the teacher's variances $\lambda_k R^2_k$, and their
# effective rank. That is the shrinkage null. It holds no geometry.
#
# | explanation | $R^2_k$ along the components | rank from $R^2_k$ alone | rank with longer training |
# | :--- | :--- | :--- | :--- |
# | geometric bottleneck | high, then zero from some $k$ on | at the measured rank or above it | stays |
# | underfitting | fades with the teacher's variance | at the measured rank | rises while the distance falls |
# | overfitting | lower on test than on training images | at the measured rank | rises on training images only |

# %% mystnb={"image": {"alt": "R squared by component, predicted against measured rank, and rank over the epochs"}}
figure = control_figures.underfitting(controls, epochs=study.settings.epochs)
glue("fig_control_underfitting", figure, display=False)

# %% [markdown]
# On the dotted diagonal of the second panel, the null predicts exactly what was measured. The third panel goes on
# where the paper's five epochs stop, at a constant and at an annealed learning rate.

# %%
Markdown(f"**What was seen.** {reading['reading_underfitting']}")

# %% [markdown]
# **How sure are we?** If the null suffices, the rank says what the students know of the teacher and nothing beyond;
# whether they could know more, a bottleneck or not, is for longer training to show. The null is an upper limit for a
# student that only shrinks: if its errors are correlated between components, its rank is lower still. A student above
# the null holds variance that does not follow the teacher, which counts as rank and is not knowledge. We say that the
# null suffices when it misses the measured rank by at most half of what the teacher's own rank misses it by; that line
# is ours, the numbers are in the sentence.
#
# ## 2. Class structure
#
# Is the rank low because there are only ten classes? The variance of embeddings splits into that of the class means and
# that within classes; both have an effective rank. The second experiment trains on fewer classes and as many images.
#
# | explanation | share of variance between classes | rank within classes | rank against the number of classes |
# | :--- | :--- | :--- | :--- |
# | geometric bottleneck | like the teacher's | falls like the whole | the same |
# | class structure | far above the teacher's | need not fall | grows with it |

# %% mystnb={"image": {"alt": "Effective rank in all, within classes and of class means; and by number of classes"}}
figure = control_figures.classes(controls)
glue("fig_control_classes", figure, display=False)

# %%
Markdown(f"**What was seen.** {reading['reading_classes']}")

# %% [markdown]
# **How sure are we?** The rank of $c$ class means cannot exceed $c - 1$, so that those ranks only say how even the
# classes are. The sweep changes the training images along with the classes, for the teacher's embeddings as for the
# student's; the teacher's own change is therefore the one to compare with.
#
# ## 3. Cause of fragility
#
# Does a low rank make a model fragile? Then the teacher itself should become fragile when it is cut to few directions.
# It is projected on its top principal components, and, as a check on which directions matter, on as many random and as
# many of its last ones. A probe is fitted on the clean result; noise is added to the image, as everywhere.
#
# | explanation | the teacher, cut to 16 components |
# | :--- | :--- |
# | a low rank causes fragility | loses about as much as the students |
# | fragility has another cause | loses about as much as the whole teacher |

# %% mystnb={"image": {"alt": "Accuracy of the teacher cut to few components, clean and under noise, and of students"}}
figure = control_figures.truncation(controls, chance=chance)
glue("fig_control_truncation", figure, display=False)

# %%
Markdown(f"**What was seen.** {reading['reading_truncation']}")

# %% [markdown]
# **How sure are we?** There is one teacher, so its numbers have no spread other than that of the random directions.
# Losses in points depend on where a model begins, and near chance (dotted) nothing more can be lost. The cut shows
# whether a low rank is enough for fragility; it cannot show that rank plays no part inside a student.
#
# ## 4. Capacity and receptive field
#
# Is it capacity at all that was varied? The paper's widths change the number of channels. They leave the depth and the
# receptive field as they are: 18 pixels, which is 2.6 pixels of a CIFAR image enlarged to 224. Here the width goes on
# to the sizes that the paper's text states, and the smallest student gets another input and, by dilated convolutions
# with the same number of weights, a larger receptive field.
#
# | explanation | size | input side | receptive field |
# | :--- | :--- | :--- | :--- |
# | the objective limits the rank | no change | no change | no change |
# | too little capacity | rises | no change | no change |
# | too narrow a view | no change | changes | rises |

# %% mystnb={"image": {"alt": "Rank, and accuracy lost to noise, against size, input side and receptive field"}}
figure = control_figures.capacity(controls)
glue("fig_control_capacity", figure, display=False)

# %%
Markdown(f"**What was seen.** {reading['reading_capacity']}")

# %% [markdown]
# **How sure are we?** Input and receptive field have two values each, for the smallest student only. Dilation also
# thins out what a convolution sees, and a larger input also makes the noise finer; neither changes one thing alone.
#
# ## 5. What the objective does
#
# Is it the loss or the network? The same network is trained with labels in place of a teacher, with targets whose
# components were all given the same variance (whitened), and not at all.
#
# | explanation | whitened targets | labels |
# | :--- | :--- | :--- |
# | the network limits the rank | as low as with the cosine loss | as low, or lower |
# | the cosine loss and its targets limit the rank | higher | another rank |

# %% mystnb={"image": {"alt": "Rank and accuracy of one network by what it was trained for, beside the teacher"}}
figure = control_figures.objective(controls)
glue("fig_control_objective", figure, display=False)

# %%
Markdown(f"**What was seen.** {reading['reading_objective']}")

# %% [markdown]
# **How sure are we?** A higher rank is not a better student: whitening gives as much weight to the teacher's noise as
# to its strongest component. A network that was not trained has a rank as well, which says what the metric returns
# when nothing was learned.
#
# ## 6. Noise
#
# What kind of noise is it, and what helps? The paper adds it after normalisation. Batch normalisation then meets
# inputs whose statistics it was not fitted on. They can be re-estimated under the noise, on training images and without
# labels; or the student can be trained with noise; or the noise can be added to the pixels, as a camera would.
#
# | explanation | statistics re-estimated | trained with noise | noise on the pixels |
# | :--- | :--- | :--- | :--- |
# | the collapsed geometry is fragile | no help | no help | S ahead of L, as in the paper |
# | statistics that no longer fit | most is restored | most is restored | the same in kind |
# | noise was never seen in training | little help | most is restored | the same in kind |

# %% mystnb={"image": {"alt": "Accuracy of two students under noise, with two remedies, and under pixel noise"}}
figure = control_figures.noise(controls, chance=chance)
glue("fig_control_noise", figure, display=False)

# %%
Markdown(f"**What was seen.** {reading['reading_noise']}")

# %% [markdown]
# **How sure are we?** Re-estimation needs noisy images of the same strength, which a model in use may not have. The
# students trained with noise saw one level of it, and the widest was trained so for one seed. The probe is always the
# clean one of the same student.
#
# ## 7. Estimators
#
# Would another way of measuring give another answer? The effective rank depends on the number of images, on squaring
# the singular values or not, and on subtracting the mean. Where the images are generated, embeddings can be made whose
# rank is known in closed form, and one can ask which factor of the image each model's variance follows.
#
# | explanation | number of images | the three estimators | which factors |
# | :--- | :--- | :--- | :--- |
# | the collapse is real | order of the models stays | agree on the order | all of them fade alike |
# | the collapse is an artefact of the estimate | order changes | disagree | |
# | the students do not see some factors | order stays | agree | a few fade |

# %% mystnb={"image": {"alt": "Rank by number of images, share of a known truth, intervals, and shares of factors"}}
figure = control_figures.estimators(controls)
glue("fig_control_estimators", figure, display=False)

# %%
Markdown(f"**What was seen.** {reading['reading_estimators']}")

# %% [markdown]
# **How sure are we?** The bootstrap interval covers the choice of test images, not the choice of seed. It lies above
# its estimate because fewer images lower a rank, for which it corrects. Shares of factors that depend on each other
# overlap, and what only a combination of factors explains is in none of them.
#
# ## 8. Across modalities
#
# The paper's title speaks of cross-modal transfer, yet everything in it stays on the image side. A student imitates the
# teacher's image embeddings, so it can be placed beside the teacher's texts: class prompts for zero-shot
# classification, and whole captions for retrieval. Neither uses a fitted probe.
#
# | explanation | students among texts | the teacher, cut to 16 components |
# | :--- | :--- | :--- |
# | lost dimensions carry the meaning | near chance | near the students |
# | meaning lies in the strong components | well above chance | near the whole teacher |

# %% mystnb={"image": {"alt": "Zero-shot accuracy and caption retrieval under noise, and the modality gap"}}
figure = control_figures.crossmodal(controls)
glue("fig_control_crossmodal", figure, display=False)

# %%
Markdown(f"**What was seen.** {reading['reading_crossmodal']}")

# %% [markdown]
# **How sure are we?** Prompts name the class and nothing else; captions, where there are any, name every factor. Few
# images share a caption, so that recall falls with the number of test images: compare models, not profiles.
#
# ## 9. Statistics
#
# Are the differences between widths more than chance? Narrowest and widest student are trained from more seeds. Both
# share a seed's order of images, and all share one test set, so the test is paired.
#
# | explanation | rank of L – S | accuracy of L – S under noise |
# | :--- | :--- | :--- |
# | width leaves the rank alone and brings fragility | narrow interval around zero | interval below zero |
# | three seeds were too few to say | wide interval | interval holds zero |

# %% mystnb={"image": {"alt": "Widest minus narrowest student in rank and accuracy: seeds, mean and interval"}}
figure = control_figures.statistics(controls, published=paper)
glue("fig_control_statistics", figure, display=False)

# %%
report.for_readers(control_report.tests_for_readers(controls))

# %%
Markdown(f"**What was seen.** {reading['reading_statistics']}")

# %% [markdown]
# **How sure are we?** Each interval holds the mean difference of such pairs with a confidence of 95 %, if differences
# are about normal; Wilcoxon's test does without that. An interval that holds zero does not show that the two are equal,
# only that a difference within it cannot be told from chance. The seeds stand for initial weights and the order of
# images; another test set would add to the spread.
#
# ## What was seen, in nine sentences

# %%
Markdown(reading["reading_controls"])

# %% [markdown]
# None of these experiments settles a question alone. A control that agrees with one explanation has not excluded the
# others that predict the same; the tables above show which those are. And every number here belongs to this profile's
# images and teacher: on other data, the same notebook may find otherwise.
