# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does anything simpler explain the collapse?
#
# **The question.** The first paper {cite:p}`thayani2026v1` measures two things, a low {term}`rank <effective rank>` and
# a fragility to noise. It reads both as geometry: a bottleneck that holds at every size and makes students brittle.
# Which other explanations would give the same measurements? And which of them survive an experiment that could tell
# them apart?
#
# **What the paper says.** The first paper has one control, {term}`augmentation`, for one width and one seed ([chapter
# 5](05_augmentation.ipynb)). The second {cite:p}`thayani2026v2` reports an ablation of the architecture and concludes
# that the {term}`collapse` comes from the objective; how that was done is not public. Section 4 below trains another
# architecture, section 5 one network for other objectives, and [chapter 6](06_expansion.ipynb) adds further terms to
# the cosine distance. We know of no run of either paper that varies only the length of training, the number of classes,
# the receptive field or the noise.
#
# **Why controls are needed.** A rank of 16 needs no bottleneck. A student that has learned the teacher's strong
# {term}`components <principal component>` better than the weak ones has a steeper {term}`spectrum` than the teacher,
# however wide it is. Ten tight clusters span nine directions. A {term}`probe <linear probe>` can lose its accuracy
# under noise because a convolution sees the noise at full resolution, or because batch statistics no longer fit; the
# rank need not play a part. Each section below is one {term}`control` and sets what the explanations predict beside
# what was measured. The predictions were written down before the results were seen, except those for centred targets
# (section 5) and for asymmetry (section 10): these were written after a trial on CIFAR-10 with one seed and other
# settings.

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
from asymdistill.claims import ledger
from asymdistill.plots import control_tables as tables
from asymdistill.plots import controls as figures
from asymdistill.plots import generality as crossed
from asymdistill.plots import scorecard
from asymdistill.plots.cut_teacher import cut_the_teacher
from asymdistill.plots.explanations import underfit_or_bottleneck
from asymdistill.plots.tables import for_readers
from asymdistill.study import Evidence, Study

study = Study.open(profile, overrides, runs_dir)
evidence = Evidence(study, recorded)
Markdown(evidence.description("controls"))

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
        "v1-bottleneck-absolute",
        "v1-rank-causes-robustness-0.1",
        "v1-geometric-0.1",
        "v1-overfitting",
        "v1-neighbours",
        "v1-centring",
        "v2-cause-objective",
        "v2-architecture",
        "v2-anisotropy",
    ],
)
HTML(scorecard.answers(answers))

# %% tags=["nbval-check-output", "remove-cell"]
print(scorecard.lines(answers))

# %%
controls = evidence.table("controls")
epochs, chance = evidence.epochs("controls"), evidence.chance("controls")
paper = ledger.published("accuracy")

# %% [markdown]
# ## Sections 1 to 9 in one table
#
# The table has the numbers of each control that matter most; the sections below have the rest.

# %%
# | name: tab-controls
# | caption: >-
# |   What was compared in each control, and the numbers that decide.
table_controls = HTML(scorecard.in_words(tables.table(controls, epochs=epochs, chance=chance)))
glue("table_controls", table_controls, display=False)
table_controls

# %% [markdown]
# ## How to read the sections
#
# In the tables, numbers are means ± standard deviations over seeds, unless a section says otherwise. Ranks and
# accuracies are measured on test images unless a column says otherwise. A change is taken between two students of the
# same {term}`seed`, before it is averaged. Where a {term}`recorded run` on photographs has a control, it stands before
# this copy's own run, as *photographs*; the top of this page says which run has which control. Where neither has it,
# the figure and the table say so. The text under each table says how to read it and what each outcome would mean. It
# holds for any run.
#
# ## 1. Underfitting
#
# Is the rank low because the students have not finished learning? $R^2_k$ is the squared correlation, over images,
# between student and teacher along the teacher's $k$-th component. These numbers alone predict the rank of a student
# that shrinks each component to what it knows of it, and does nothing else: the effective rank of the variances
# $\lambda_k R^2_k$, where $\lambda_k$ are the teacher's. That prediction is called the shrinkage null. It assumes no
# bottleneck.
#
# | explanation | $R^2_k$ along the components | rank from $R^2_k$ alone | rank with longer training |
# | :--- | :--- | :--- | :--- |
# | geometric bottleneck | high, then zero from some $k$ on | at the measured rank or above it | stays the same |
# | underfitting | fades with the teacher's variance | at the measured rank | rises while the distance falls |
# | overfitting | lower on test than on training images | at the measured rank | rises on training images only |

# %% mystnb={"image": {"alt": "R squared by component, predicted against measured rank, and rank over the epochs"}}
# | name: fig-underfitting
# | caption: >-
# |   Squared correlation with the teacher along its components; the rank that this alone predicts against the
# |   measured rank; and the rank over the epochs.
*_, figure = figures.underfitting(controls, epochs=epochs)
glue("fig_control_underfitting", figure, display=False)

# %% [markdown]
# On the dotted diagonal of the second panel, the null predicts exactly what was measured. The third panel goes beyond
# the profile's own epochs, at a constant and, where a profile has it, at an annealed learning rate.

# %%
# | name: tab-underfitting
# | caption: >-
# |   What each model knows of the teacher's components, and the rank that this alone predicts.
for_readers(tables.underfitting_table(controls, epochs=epochs))

# %% [markdown]
# **How to read it.** Compare the students' rank with the predicted rank and with the teacher's. If the prediction is
# much nearer to the measured rank than the teacher's own rank is, what the students know of each component is enough to
# explain their rank. If the measured rank lies far below the prediction, something beyond shrinkage is at work, such as
# errors that are correlated between components. If it lies above, the students have variance that does not follow the
# teacher. Then compare the last rows: if the rank rises with longer training while the {term}`cosine distance` falls,
# the short training was part of the reason. If the distance hardly falls, the new variance has not brought the student
# nearer to the teacher, and the rise is no sign of underfitting. A rank on training images that is much higher than on
# test images would point to overfitting.
#
# **How sure are we?** If the null suffices, the rank tells what the students know of the teacher, not whether they
# could know more; only longer training can show that, as far as it goes. Correlated errors lower a student's rank below
# the null. Variance that does not follow the teacher raises it above: such variance counts as rank, but is not
# knowledge.
#
# ### Underfit or bottleneck?
#
# Choose an explanation, and see what it predicts. Underfitting shrinks every component, the weak ones most: $R^2_k =
# \lambda_k / (\lambda_k + c)$. A bottleneck keeps the first components whole and loses the others. Each has one free
# number, set by how much of the teacher's variance the student explains. That share $s$ follows from the cosine
# distance $d$ after each epoch, if the student's output is its best guess: then $(1 - d)^2 \approx \left\|m\right\|^2 +
# s\,(1 - \left\|m\right\|^2)$, where $m$ is the teacher's mean embedding. So neither prediction is fitted to the
# measured rank. The second slider sets another share.

# %%
# | name: fig-explanations
# | caption: >-
# |   Two explanations of a low rank: the rank that each predicts over the epochs, and the R² along the teacher's
# |   components. Dots are measured, on test images; bars reach from the smallest to the largest value over the seeds.
spectra, images = evidence.baseline("singular_values", of="controls"), evidence.test_images("controls")
HTML(underfit_or_bottleneck(controls, spectra, images, epochs))

# %% [markdown]
# **How to read it.** Look at the lower panel first, since both explanations can predict the same rank. Dots that fade
# like the dashed line speak for underfitting; dots that stay high and then drop to zero speak for a bottleneck. Then
# move through the epochs. If the measured rank follows the prediction, what the student explains is enough to account
# for it. If it stays behind while the distance falls, something else holds it down; if it runs ahead, the student has
# variance that is not the teacher's. For weak components, chance alone gives an R² a little above zero.
#
# ## 2. Class structure
#
# Is the rank low because there are few classes? The variance of the embeddings is the variance of the class means plus
# the variance within classes; both have an effective rank. A second experiment trains on fewer classes with equally
# many images: for every number of classes as many as the fewest classes have. With so few images ranks are usually
# lower than in the column *rank*, for all classes too.
#
# | explanation | share of variance between classes | rank within classes | rank against the number of classes |
# | :--- | :--- | :--- | :--- |
# | geometric bottleneck | like the teacher's | falls like the overall rank | stays the same |
# | class structure | far above the teacher's | need not fall | grows with it |

# %% mystnb={"image": {"alt": "Effective rank in all, within classes and of class means; and by number of classes"}}
# | name: fig-classes
# | caption: >-
# |   Effective rank of all embeddings, within classes and of the class means; and the rank against the number of
# |   classes.
*_, figure = figures.classes(controls)
glue("fig_control_classes", figure, display=False)

# %%
# | name: tab-classes
# | caption: >-
# |   Effective rank overall and within classes, and the share of the variance between classes.
for_readers(tables.classes_table(controls))

# %% [markdown]
# **How to read it.** Compare the students with the teacher in two columns: overall and within classes. Within classes
# the class means play no part. If the students lose as much rank there as overall, class structure is not the reason.
# If they lose little there, it is. If a far larger share of the students' variance than of the teacher's lies between
# classes, the students have been drawn to the classes. In the columns by number of classes, compare the student's
# change with the teacher's own: only what goes beyond it is the student's.
#
# **How sure are we?** The rank of $c$ class means cannot exceed $c - 1$; it only says how evenly the class means are
# spread. With fewer classes the training images change as well, and so do the teacher's embeddings: more than one thing
# is changed.
#
# ## 3. Cause of fragility
#
# Does a low rank make a model fragile? Then the teacher itself should become fragile when it is cut to a few
# directions. It is projected on its top principal components. As a check on which directions matter, it is also
# projected on equally many random directions and on equally many of its last components. A probe is fitted on the clean
# projections; noise is added to the input, as in [chapter 4](04_robustness.ipynb).
#
# | explanation | the teacher, cut to 16 components |
# | :--- | :--- |
# | a low rank causes fragility | loses about as much as the students |
# | fragility has another cause | loses about as much as the whole teacher |

# %% mystnb={"image": {"alt": "Accuracy of the teacher cut to few components, clean and under noise, and of students"}}
# | name: fig-truncation
# | caption: >-
# |   Accuracy of the teacher cut to some of its components, without noise and with the strongest noise. Horizontal
# |   lines are the whole teacher and the students.
*_, figure = figures.truncation(controls, chance=chance)
glue("fig_control_truncation", figure, display=False)

# %% [markdown]
# Here, the number of components and the noise can be chosen.

# %%
# | name: fig-cut
# | caption: >-
# |   Accuracy of the teacher cut to its first components, beside the whole teacher and the students, at the chosen
# |   noise. Students are means over the seeds.
HTML(cut_the_teacher(controls))

# %%
# | name: tab-truncation
# | caption: >-
# |   Accuracy of the teacher cut to some of its components, and of the students, without and with noise.
for_readers(tables.truncation_table(controls, chance=chance))

# %% [markdown]
# **How to read it.** The last column but one decides: how much of its accuracy above guessing a model loses from the
# lowest to the highest noise. Points alone favour a model that has little to lose. If the teacher's top directions lose
# about as much as the whole teacher, a low rank alone does not make it fragile. If they lose about as much as the
# students, and the students more than the whole teacher, a low rank is enough. If the students lose no more than the
# whole teacher, there is no fragility to explain. Random and last directions show whether it matters which directions
# are kept. Random ones are drawn several times; their spread is over the draws.
#
# **How sure are we?** There is one teacher, so its numbers have no spread. Near guessing (dotted) nothing more can be
# lost, and a share of very little is not precise. Where students see another resolution than the teacher, noise on
# their inputs is not the same for both: then compare only the cut teacher with the whole one. The cut shows whether a
# low rank is enough for fragility. It cannot show that rank plays no part inside a student.
#
# ## 4. Capacity, receptive field, architecture
#
# Did the paper vary what matters in capacity? Its widths change the number of channels. They leave the depth and the
# receptive field as they are: 18 pixels of the input, or 2.6 pixels of a CIFAR image that was enlarged to 224. Here
# further widths are added, by default those that have the sizes in the paper's text. The narrowest student is also
# trained with another input size, and, by dilated convolutions with the same number of weights, a larger receptive
# field. And a small vision transformer, with about as many parameters as the narrowest student, is trained in its
# place.
#
# | explanation | size | input side | receptive field |
# | :--- | :--- | :--- | :--- |
# | the objective limits the rank | no change | no change | no change |
# | too little capacity | rises | no change | no change |
# | too narrow a view | no change | changes | rises |

# %% mystnb={"image": {"alt": "Rank, and accuracy lost to noise, against size, input side and receptive field"}}
# | name: fig-capacity
# | caption: >-
# |   Effective rank (above) and points of accuracy lost to noise (below) against the student's parameters, the side
# |   of its input and its receptive field.
*_, figure = figures.capacity(controls)
glue("fig_control_capacity", figure, display=False)

# %%
# | name: tab-capacity
# | caption: >-
# |   Effective rank, and accuracy lost to noise, by size, input, receptive field and architecture of the student.
for_readers(tables.capacity_table(controls))

# %% [markdown]
# **How to read it.** Read each of the three groups (size, input, receptive field) by itself, from its smallest to its
# largest value. If one of them limits the rank, the rank changes most in that group. If the rank stays the same in all
# three, a limit set by the objective remains. Too little capacity would show as a rank that rises at every step, not as
# one that peaks in the middle. The transformer's row, where a run has it, asks whether convolutions are the reason: if
# it loses about as much of the teacher's rank, they are not. The column *lost* asks the same of fragility. A change
# within the spread over seeds is no evidence.
#
# **How sure are we?** Input size and receptive field have two values each, for the narrowest student only. Dilation
# also makes a convolution sample its view more thinly, and a larger input also makes the noise finer: neither changes
# one thing alone. The transformer was not tuned, and differs from the student in more than its layers' kind.
#
# ## 5. What the objective does
#
# Is it the loss, the teacher's mean, or the network? On arXiv's page, the second paper calls the collapse under the
# cosine loss an artifact of inherited {term}`anisotropy` {cite:p}`thayani2026v2`. A teacher's embeddings lie in a cone
# around their mean, and a student that always answers with the mean already has a small cosine distance to all of them.
# If that is the reason, the rank should come back once the mean is subtracted.
#
# The same network is trained towards *centred* targets (the teacher's embeddings minus their mean over the training
# images, scaled to length 1 again) and towards *whitened* targets (also without the mean, and with nearly the same
# variance in all components), both with the cosine loss; with labels in place of a teacher; and not at all.
#
# | explanation | centred targets | whitened targets | labels |
# | :--- | :--- | :--- | :--- |
# | the network limits the rank | as low as with *cosine alone* | as low | as low, or lower |
# | inherited anisotropy: the mean hides the rest | near the teacher's rank | as high, or higher | another rank |
# | weak components count for little, or are learned last | a little higher | clearly above centred | another rank |

# %% mystnb={"image": {"alt": "Rank and accuracy of one network by what it was trained for, beside the teacher"}}
# | name: fig-objective
# | caption: >-
# |   Effective rank and accuracy of one network by what it was trained for, beside the teacher.
*_, figure = figures.objective(controls)
glue("fig_control_objective", figure, display=False)

# %%
# | name: tab-objective
# | caption: >-
# |   Effective rank and accuracy of one network by what it was trained for.
for_readers(tables.objective_table(controls))

# %% [markdown]
# **How to read it.** It is one network throughout. If other targets or labels give it a clearly higher rank than the
# cosine loss, the network can hold more, and the cosine loss and its targets are what keep it from doing so. If every
# objective gives a rank about as low, that points to the network.
#
# Compare centred targets with *cosine alone* first, and then with the teacher. If the rank comes back most of the way,
# inherited anisotropy explains the collapse; if part of the way, it explains that part; if it does not move, the mean
# has nothing to do with it. Whitening subtracts the same mean, so that the step from centred to whitened targets shows
# what the weight of the weak components adds. Look also at the column *lost*: if rank and loss to noise do not move
# together from row to row, a low rank is not what makes this network fragile.
#
# **How sure are we?** A higher rank does not make a better student: whitening gives as much weight to the teacher's
# weakest components as to its strongest. Without the mean, the differences between images make up the whole loss, so a
# student may also learn them in fewer steps: a gain from centring can partly be a gain in speed, which section 1 is
# about. All ranks, the teacher's too, are measured without the mean, so that none is low because the mean is large. A
# network that was not trained has a rank as well; it shows what the metric returns where nothing was learned.
#
# ## 6. Noise
#
# What kind of noise is it, and what helps? The paper adds noise after normalisation. Batch normalisation then sees
# inputs with other statistics than in training. Two remedies are tried: the statistics are re-estimated under the
# noise, on training images and without labels; or the student is trained with noise. And the noise is added to the
# pixels of the picture instead, as a camera would.
#
# | explanation | statistics re-estimated | trained with noise | noise on the pixels |
# | :--- | :--- | :--- | :--- |
# | the collapsed geometry is fragile | no help | no help | S ahead of L, as in the paper |
# | statistics that no longer fit | most is restored | most is restored | as with noise on the input |
# | noise was never seen in training | little help | most is restored | as with noise on the input |

# %% mystnb={"image": {"alt": "Accuracy of two students under noise, with two remedies, and under pixel noise"}}
# | name: fig-remedies
# | caption: >-
# |   Accuracy under noise of the narrowest and the widest student as they are, with batch statistics estimated again,
# |   and trained with noise; below, under noise on the pixels.
*_, figure = figures.noise(controls, chance=chance)
glue("fig_control_noise", figure, display=False)

# %%
# | name: tab-remedies
# | caption: >-
# |   Accuracy without and with noise of the narrowest and the widest student, with and without two remedies.
for_readers(tables.noise_table(controls))

# %% [markdown]
# **How to read it.** The column *gained* shows what a remedy adds to the accuracy at the highest noise. Compare it with
# what the plain student lost. If re-estimated statistics bring back most of it, the loss came from batch normalisation
# and not from the geometry of the embeddings. If only training with noise helps, the student had simply not seen any.
# If neither helps, the fragile geometry is left. Compare the two students as well, plain and with re-estimated
# statistics: if re-estimation reverses their order, the order under noise comes from the statistics. Levels of pixel
# noise are in units of the pixel range, so its rows cannot be compared with the others number by number.
#
# **How sure are we?** Re-estimation needs images with noise of the same strength, which may not be at hand when a model
# is used. Students trained with noise saw one level of it, and the widest was trained with noise for one seed only. The
# probe is always the one fitted on clean embeddings of the same student.
#
# ## 7. Estimators
#
# Would another way of measuring give another answer? The effective rank depends on the number of images, on whether the
# singular values are squared, and on whether the mean is subtracted. Where images are generated, their factors are
# known: embeddings with a rank known in closed form can be made from them, and one can ask which factor each model's
# variance follows.
#
# | explanation | number of images | the three estimators | which factors |
# | :--- | :--- | :--- | :--- |
# | the collapse is real | order of the models stays the same | agree on the order | all of them fade alike |
# | the collapse is an artefact of the estimate | order changes | disagree | |
# | the students do not see some factors | order stays the same | agree | a few fade |

# %% mystnb={"image": {"alt": "Rank by number of images, share of a known truth, intervals, and shares of factors"}}
# | name: fig-estimators
# | caption: >-
# |   Effective rank against the number of images; the estimate as a share of a known truth; 95 % intervals of the
# |   rank; and the share of the variance that each factor of the images explains.
*_, figure = figures.estimators(controls)
glue("fig_control_estimators", figure, display=False)

# %%
# | name: tab-estimators
# | caption: >-
# |   Effective rank by estimator and number of images, its 95 % interval, and the share of the variance that each
# |   factor explains.
for_readers(tables.estimators_table(controls))

# %% [markdown]
# **How to read it.** There is one column per model, and two more for embeddings of known rank. First ask whether the
# order of the models is the same in all six rows of ranks. If it is, the collapse does not depend on the estimator or
# on the number of images, whatever the values. If the order changes, it does, and no single number should be trusted.
# The columns *true rank* and *estimated* show how far the estimate is off where the truth is known, at the fewest
# images and at all of them. Then compare the intervals: where those of two students overlap, this set of test images
# cannot tell their ranks apart. Last, compare students and teacher factor by factor. A factor that explains much of the
# teacher's variance and little of the students' is one that they do not see. The first six rows are means over random
# draws of images, for the students of one seed.
#
# **How sure are we?** The bootstrap interval covers the choice of test images, not the choice of seed. It is corrected
# for the fact that fewer distinct images lower a rank, and can therefore lie above its estimate. Shares of factors that
# depend on each other overlap, and what only a combination of factors explains is in none of them.
#
# ## 8. Across modalities
#
# The paper's title speaks of cross-modal transfer, yet everything in it stays on the image side. A student imitates the
# teacher's image embeddings, so it can be compared with the teacher's text embeddings: class prompts for zero-shot
# classification, and whole captions for retrieval. Neither needs a fitted probe. If the profile's own teacher reads no
# text, the control uses the first of its other teachers that does, with the students of that teacher. The figure names
# it.
#
# | explanation | students with the teacher's texts | the teacher, cut to 16 components |
# | :--- | :--- | :--- |
# | lost dimensions carry the meaning | near chance | near the students |
# | meaning lies in the strong components | well above chance | near the whole teacher |

# %% mystnb={"image": {"alt": "Zero-shot accuracy and caption retrieval under noise, and the modality gap"}}
# | name: fig-crossmodal
# | caption: >-
# |   Zero-shot accuracy and caption retrieval under noise, and the distance between the centres of image and text
# |   embeddings.
*_, figure = figures.crossmodal(controls)
glue("fig_control_crossmodal", figure, display=False)

# %%
# | name: tab-crossmodal
# | caption: >-
# |   Zero-shot accuracy, caption retrieval and modality gap of each model.
for_readers(tables.crossmodal_table(controls))

# %% [markdown]
# **How to read it.** Compare the students with guessing first, then the cut teacher with the whole one. If the cut
# teacher keeps most of its zero-shot accuracy, the meaning lies in its strong components. If it falls to the students'
# level, the lost dimensions carry it. Students far below a teacher with as few dimensions have another problem than
# their rank. The gap is the distance between the centres of image and text embeddings; the embeddings of a student with
# a larger gap than the teacher's have moved away from the teacher's texts. *Own caption* is how often an image's own
# caption is the closest of all.
#
# **How sure are we?** Prompts name the class and nothing else; captions, where there are any, name every factor. The
# more test images there are, the more captions compete, so retrieval falls with their number: compare models, not
# profiles.
#
# ## 9. Statistics
#
# Are the differences between widths more than chance? The narrowest and the widest student are compared over as many
# seeds as the profile has for this control. For each seed, both see the images in the same order, and all share one
# test set, so the test is paired.
#
# | explanation | rank of L – S | accuracy of L – S under noise |
# | :--- | :--- | :--- |
# | width leaves the rank as it is and brings fragility | narrow interval around zero | interval below zero |
# | three seeds were too few to say | wide interval | interval holds zero |

# %% mystnb={"image": {"alt": "Widest minus narrowest student in rank and accuracy: seeds, mean and interval"}}
# | name: fig-statistics
# | caption: >-
# |   The widest minus the narrowest student, in rank and in accuracy: each seed, the mean, and its 95 % interval.
# |   Open circles are the paper's differences.
*_, figure = figures.statistics(controls, published=paper)
glue("fig_control_statistics", figure, display=False)

# %%
# | name: tab-statistics
# | caption: >-
# |   Paired tests of the widest against the narrowest student.
for_readers(tables.statistics_table(controls))

# %% [markdown]
# **How to read it.** A positive difference means that the widest student is ahead. An interval that excludes zero is
# evidence of a difference; a narrow one around zero says that any difference is small. There is one test per row, so
# some could fall below 0.05 by chance: to be strict, compare each p with 0.05 divided by the number of rows. Wilcoxon's
# test is left out below six seeds, where it cannot reach 0.05. The paper's own three seeds are tested in [chapter
# 4](04_robustness.ipynb), from its printed means and spreads.
#
# **How sure are we?** The intervals assume that differences are about normally distributed; Wilcoxon's test does not.
# An interval that holds zero does not show that the two are equal, only that their difference cannot be told from
# chance. Seeds change the initial weights and the order of images; another test set would add to the spread.
#
# ## 10. Asymmetry
#
# Is the rank low because teacher and student are built differently? The papers call their distillation asymmetric: the
# teacher is a vision transformer, which relates all parts of an image from its first layer on; the student is a
# convolutional network, which looks through small windows. If that difference is the reason, the student of a
# convolutional teacher should not collapse. Students, images and settings are those of [chapter
# 7](07_generality.ipynb), with the first objective only; between rows with the same images, what changes is the
# teacher.
#
# | explanation | share of the teacher's rank | rank of the student |
# | :--- | :--- | :--- |
# | the asymmetry causes the collapse | larger under a convolutional teacher than under a transformer | |
# | the loss or underfitting causes it | alike under both | follows the teacher's rank |
# | the network limits the rank | smaller, the higher the teacher's rank | the same under both |

# %% mystnb={"image": {"alt": "Student's rank as a share of its teacher's, by the kind of network the teacher is"}}
# | name: fig-asymmetry
# | caption: >-
# |   A student's effective rank as a share of its teacher's, one row per pair of images and teacher. Filled marks
# |   have a convolutional teacher, open ones a transformer.
generality = evidence.generality()
figure = crossed.asymmetry(generality)
glue("fig_control_asymmetry", figure, display=False)

# %%
# | name: tab-asymmetry
# | caption: >-
# |   A student's effective rank as a share of its teacher's, by the kind of network the teacher is.
table_asymmetry = for_readers(crossed.asymmetry_table(generality))
glue("table_asymmetry", table_asymmetry, display=False)
table_asymmetry

# %% [markdown]
# **How to read it.** Compare rows with the same images. If the share is clearly larger under the convolutional teacher,
# the asymmetry has a part in the collapse. If the rank falls as far under a convolutional teacher as under a
# transformer, or further, the collapse does not need the asymmetry; what causes it instead, this section cannot say. If
# the student's rank hardly depends on the teacher, its share says more about the teacher's rank than about the student:
# that speaks for the last row of predictions. Where there are teachers of one kind only, there is nothing to compare;
# the table then shows how far the rank falls under these. A teacher whose kind cannot be told from its name counts as
# unknown.
#
# **How sure are we?** Teachers of two kinds differ in more than their kind: in size, in training images (`scenes-clip`
# learned from pictures of the very kind that it is tested on), in the resolution they see, and in their own rank. There
# are few teachers of each kind, so a difference in share need not come from the architecture. A rank that falls far
# under a convolutional teacher would be stronger evidence: it would show that a student can collapse without the
# asymmetry.
#
# ## What the controls can say
#
# None of these experiments settles a question alone: a control that agrees with one explanation does not rule out
# others that predict the same, and the tables of predictions show which those are. And every number belongs to its
# run's images and teacher. With others, the same notebook may give other answers.
