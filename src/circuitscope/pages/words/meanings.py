"""What the words and numbers of a report mean, for a reader who has not read the paper."""

from __future__ import annotations

MEANINGS: tuple[tuple[str, str], ...] = (
    (
        "Feature",
        "A direction inside the model that a dictionary (a sparse autoencoder) has learned; of thousands, only a "
        "few are active on any one token. What it stands for is read off the texts in which it is most active "
        "and the words that it makes more or less likely.",
    ),
    (
        "Site and position",
        "A site is a place in the model: embed is what enters the first layer, attn and mlp are what a layer's "
        "attention and MLP produce, resid is the stream after the layer. A position is a token's place in the "
        "text, counted from 0 with the beginning-of-text token included where there is one.",
    ),
    (
        "Node",
        "A feature, or a site's error, at one position or summed over all of them. “Nodes counted” in the "
        "evaluation are those in layers that are ablated.",
    ),
    (
        "Group",
        "Features that are active on the same texts, write in the same direction and have the same edges, taken as "
        "one (a supernode). Its effect and its edges are the sums of its members'.",
    ),
    (
        "Error node",
        "What a dictionary does not reconstruct at a site, taken as a single node. A large one means that part of "
        "the behaviour runs through something that the dictionary has no feature for.",
    ),
    (
        "Indirect effect",
        "How much the metric would change, against the clean answer, if this node alone took the value that it "
        "has on the other text. Above 0 (blue) the node promotes the clean answer, below 0 (red) it suppresses "
        "it; ± is the standard error over the examples.",
    ),
    (
        "Edge",
        "The part of a node's effect that reaches one later node directly, without passing another site that "
        "has a dictionary. It is a linear estimate, and its sign is read like that of an effect.",
    ),
    (
        "Edge into an error",
        "The node changes something at that site that the dictionary there has no feature for. The influence does "
        "not end in the error: it goes on from there, over the error's own edges, but what it carries has no name. A "
        "strong one says where a better dictionary would help most.",
    ),
    (
        "Faithfulness",
        "How much of the behaviour the circuit does by itself when everything outside it is switched off: 1 is "
        "all of what the model does, 0 is none. Values above 1 and below 0 are possible.",
    ),
    (
        "Completeness",
        "How much of the behaviour is left when the circuit is switched off and everything else stays: 0 means "
        "that nothing is missing from the circuit. A large value means that other parts of the model can do the "
        "same.",
    ),
    (
        "Interval",
        "The scores are ratios of means over examples; the interval is where 95 % of them fall when the examples "
        "are resampled with replacement; from fewer than ten examples it is too narrow to be called so. “Undefined” "
        "means that the behaviour itself cannot be told apart from 0 on these examples.",
    ),
    (
        "Free layers",
        "The first layers are often left alone in the evaluation, because their features stand for single words "
        "and test examples have other words. The column “nothing free” switches off everything.",
    ),
    (
        "Quadrature gap",
        "Effects are integrals that are added up at a few points, so the effects of a site should sum to what "
        "replacing the whole site does; the gap is how far off they are, relative to the behaviour. Above "
        "0.01 the effects at that site are rough.",
    ),
)
