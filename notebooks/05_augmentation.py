# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does augmentation restore robustness?
#
# **The question.** Perhaps the largest student is fragile only because it saw every training image in one position.
# Train it again on randomly shifted and mirrored images: does it withstand noise better?
#
# **What the paper says** {cite:p}`thayani2026v1`. No: {term}`augmentation` fails to restore robustness, and that proves
# the fragility to be geometric. The notebook's numbers for the largest student, one {term}`seed`, are 69.34 % on clean
# images and 49.49 % at $\sigma = 0.1$ *(paper's notebook)*, against 72.94 ± 0.43 % and 43.76 ± 6.10 % without
# augmentation *(paper)*. At that noise level the augmented student is ahead.

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
from asymdistill.plots import augmentation, scorecard, tables
from asymdistill.study import Evidence, Study

study = Study.open(profile, overrides, runs_dir)
evidence = Evidence(study, recorded)
Markdown(evidence.description("augmentation"))

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
        "v1-augmentation-clean",
        "v1-augmentation-same-0.2",
        "v1-augmentation-restored-0.1",
        "v1-augmentation-restored-0.2",
    ],
)
HTML(scorecard.answers(answers))

# %% tags=["nbval-check-output", "remove-cell"]
print(scorecard.lines(answers))

# %% [markdown]
# ## The control
#
# Each image is padded by 4 pixels, cropped at random and mirrored with probability one half, anew in every epoch, and
# the teacher sees the very same result. The {term}`probe <linear probe>` is then fitted on clean training embeddings,
# as everywhere. Each augmented student is compared with the one trained without augmentation from the same seed.

# %% mystnb={"image": {"alt": "Probe accuracy of the largest student under noise, with and without augmentation"}}
# | name: fig-augmentation
# | caption: >-
# |   Accuracy under noise of the largest student, trained without augmentation (solid) and with it (dashed), for the
# |   paper and for each run.
measured = evidence.table("augmentation")
figure = augmentation.accuracy(measured, pixels=evidence.pixels("augmentation"))
glue("fig_augmentation", figure, display=False)

# %% [markdown]
# The table is for noise on the {term}`normalised tensor`, as in the paper. Entries are means, where there are several
# seeds ± standard deviations. *change* is with augmentation minus without, paired by seed; the paper's is one augmented
# student minus the mean of three others. *photographs* is the {term}`recorded run` named at the top, if one has
# augmented students, and *this copy* the run behind this copy of the book.

# %%
# | name: tab-augmentation
# | caption: >-
# |   The largest student trained without and with augmentation, and the change, paired by seed.
table = tables.for_readers(augmentation.table(measured))
glue("table_augmentation", table, display=False)
table

# %% [markdown]
# ## What it means
#
# **How to read it.** If augmentation restores robustness, *change* grows with the noise level and is clearly positive
# at the highest levels. If the paper is right, it stays near zero there. A change that is negative on clean images and
# positive under noise is a trade: the student gives up some accuracy and gains some robustness. A change that is
# negative at every level says that augmentation cost accuracy here: images that never repeat take longer to learn, and
# a short training may see only that cost. The row of the {term}`effective rank` shows whether augmentation changes how
# many directions the student uses; the paper's explanation ties rank and robustness together.
#
# **How sure are we?** The paper's test has one seed of one width, and with one seed a change has no spread to compare
# it with. Nor are shifting and mirroring the augmentation that noise calls for: a student can learn to ignore small
# shifts and still never have seen noise. Whether training on noisy images helps is the sharper question; section 6 of
# {doc}`the controls <08_controls>` asks it, in profiles that run it.
