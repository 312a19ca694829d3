"""Every kind of detector in a few words: what it is, what it is for, what it is not for, and what a window costs.

`watchkeeper detectors` shows them. Texts of kinds that the registry does not have yet are no error; a kind of the
registry without a text is one, and a test finds it.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Entry(NamedTuple):
    """Of one kind. `cost` is of scoring, beside the size of the window that every kind grows with."""

    family: str
    use: str
    avoid: str
    cost: str


AUTOENCODER, LIKELIHOOD, ADVERSARIAL = "autoencoder", "likelihood", "adversarial"
ONE_CLASS, NEIGHBOURS, CHART, DISTANCE = "one-class", "neighbours", "control chart", "distance"
FORECAST, MIX = "forecast", "mix"
ONE_PASS, TWO_PASSES, MATRIX = "one pass of a small net", "two passes", "one matrix product"
MANY_PASSES, GRADIENTS = "some passes, one for each sample", "hundreds of gradient steps: thousands of passes"

CATALOGUE: Final = {
    "dense": Entry(
        AUTOENCODER, "Windows of one shape or of several kinds, such as heartbeats and cycles: begin with it.",
        "Too few windows to train a net (below some hundred); long drifts.", ONE_PASS,
    ),
    "sparse": Entry(
        AUTOENCODER, "Normal windows that come in many kinds, of which each uses a few features.",
        "Windows of one kind: dense does the same with one option less.", ONE_PASS,
    ),
    "denoising": Entry(
        AUTOENCODER, "Noisy sensors; faults that a plain autoencoder would rebuild too well.",
        "Faults that look like noise: it is trained to take them out.", ONE_PASS,
    ),
    "conv": Entry(
        AUTOENCODER, "Long windows, and patterns that may lie anywhere in a window.",
        "Windows that always begin at the same phase: dense knows where in them it is.", "convolutions over the window",
    ),
    "unet": Entry(
        AUTOENCODER, "Long windows with detail on several scales.",
        "Slow faults: what its skip connections carry past the narrow part is rebuilt as it is.",
        "convolutions over the window",
    ),
    "lstm": Entry(
        AUTOENCODER, "Sequences in which order matters more than place; several channels that follow one another.",
        "High rates: it is some times slower than dense, in training most of all.", "a step for each reading",
    ),
    "recursive": Entry(
        AUTOENCODER, "Windows made of parts that repeat, such as cycles within cycles.",
        "Short windows, which have nothing to fold.", "one small net for each pair of segments",
    ),
    "aer": Entry(
        AUTOENCODER, "Series where a fault may show as a wrong shape or as a wrong next value.",
        "High rates; windows in no order, such as single beats.", "two LSTM passes",
    ),
    "vae": Entry(
        LIKELIHOOD, "Normal windows of different spread: an error counts by how sure the model is there.",
        "Channels that never move: their likelihood is all floor.", MANY_PASSES,
    ),
    "autoregressive": Entry(
        LIKELIHOOD, "Point faults and sudden changes: each reading is judged by those before it.",
        "Long faults: inside them each reading follows from the faulty ones before.", "convolutions over the window",
    ),
    "forecast": Entry(
        FORECAST, "Series with a clear rhythm and sudden faults; small and causal.",
        "Slow drifts and long faults, which become the past it predicts from.", ONE_PASS,
    ),
    "gan": Entry(
        ADVERSARIAL, "Research: the features of a discriminator as a score, and the base of anogan and fanogan.",
        "Production, as the only detector: its score depends on how the game between both nets ended.", ONE_PASS,
    ),
    "anogan": Entry(
        ADVERSARIAL, "Research, and few windows a day: it searches the latent code of each window.",
        "Any rate to speak of: fanogan does the same in one pass.", GRADIENTS,
    ),
    "fanogan": Entry(
        ADVERSARIAL, "A generator of normal windows that also rebuilds: shapes that an autoencoder blurs.",
        "Few windows: the generator needs thousands.", TWO_PASSES,
    ),
    "efficientgan": Entry(
        ADVERSARIAL, "As fanogan, with the encoder learned together with the generator.",
        "Windows that must be rebuilt exactly: its reconstruction is loose.", TWO_PASSES,
    ),
    "ganomaly": Entry(
        ADVERSARIAL, "Faults that change what a window is more than how it looks: it compares codes.",
        "Spikes of one reading, which the code may not hold.", TWO_PASSES,
    ),
    "skip_ganomaly": Entry(
        ADVERSARIAL, "As ganomaly, for windows with fine detail.",
        "Slow faults: skip connections copy them.", TWO_PASSES,
    ),
    "alocc": Entry(
        ADVERSARIAL, "Windows for which a yes or no, and no picture, is enough.",
        "Readings that are to be explained: it says how unusual a window is, not where.", TWO_PASSES,
    ),
    "deep_svdd": Entry(
        ONE_CLASS, "Normal windows that form one cloud, with shapes that a distance of readings does not see.",
        "Normal windows of several kinds; evidence: it expects nothing and explains nothing.", ONE_PASS,
    ),
    "dagmm": Entry(
        LIKELIHOOD, "Normal windows of a few clear kinds.",
        "Few windows, or kinds that merge: its mixture becomes singular.", ONE_PASS,
    ),
    "ocsvm": Entry(
        ONE_CLASS, "A boundary around normal windows, with a stated share outside.",
        "Long windows without features in between: distances between them say little.", MATRIX,
    ),
    "mahalanobis": Entry(
        DISTANCE, "Windows about one shape, correlated channels, few windows: fitted in milliseconds.",
        "Windows of several kinds; very long ones: the work grows with the square of their size.", MATRIX,
    ),
    "gmm": Entry(
        LIKELIHOOD, "Windows of a few kinds, each a cloud; fitted in seconds.",
        "Long windows without many of them: each cloud has a covariance to learn.", "a matrix product for each cloud",
    ),
    "pca": Entry(
        DISTANCE, "Correlated channels of one machine: the classic of process control, with two readable parts.",
        "Normal windows that lie on a curve or in several clouds.", MATRIX,
    ),
    "sub_pca": Entry(
        DISTANCE, "Periodic series with windows of one period: the best classic of public boards.",
        "Series without a rhythm, or with windows of another length than it.", MATRIX,
    ),
    "kmeans": Entry(
        NEIGHBOURS, "Recurring patterns of several kinds; fast, and easy to explain.",
        "Patterns that vary smoothly between kinds.", "a distance for each centre",
    ),
    "knn": Entry(
        NEIGHBOURS, "Rare but legitimate kinds of normal: a few examples are enough.",
        "Long histories in little memory: it keeps windows.", "a distance for each window kept",
    ),
    "matrix_profile": Entry(
        NEIGHBOURS, "Shapes that have never been seen before, wherever in a window they begin.",
        "High rates, and long histories in little memory.", "a distance for each window kept",
    ),
    "xbar": Entry(
        CHART, "Levels and spreads of processes that stand still; what operators know from control charts.",
        "Signals with a shape, a rhythm or a trend.", "a mean and a spread for each window",
    ),
    "ensemble": Entry(
        MIX, "When no single kind is known to be best, and the cost of several is no matter.",
        "High rates, and evidence: a mix explains only what its members do.", "the sum of its members",
    ),
}  # fmt: skip
