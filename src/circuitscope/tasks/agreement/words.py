"""The words that agreement examples are made of; of these, the ones that are single tokens are used."""


def _forms(words: str) -> tuple[tuple[str, str], ...]:
    """(singular, plural) of nouns whose plural adds an s."""
    return tuple((word, word + "s") for word in words.split())


PEOPLE = _forms(
    """
    actor agent analyst architect artist assistant athlete author baker banker boy broker
    brother captain cashier chef clerk client commander consultant cook cousin customer
    dancer daughter dentist designer detective developer director doctor driver editor engineer
    executive expert farmer father fighter friend gardener girl governor guard guest guide
    historian hunter judge king knight lawyer leader manager mayor member merchant minister monk
    mother musician neighbor nurse officer owner painter parent philosopher pilot player poet
    president priest prince professor programmer queen ranger reporter researcher rider runner
    sailor scholar scientist senator singer sister soldier son student surgeon teacher tenant
    trader uncle visitor waiter warrior winner worker writer
    """
)
"""Nouns for subjects, (singular, plural)."""

THINGS = _forms(
    """
    apartment bag barn basket bed bell boat book bottle bridge building cabin camera car castle
    chair clock computer cup desk door fence field flower fountain garden gate hill hospital
    hotel house island lake lamp machine mirror monument mountain museum office painting park
    phone picture plant plate restaurant river road rock roof school shop statue stone store
    street table temple tent theater tower tree truck tunnel wall window
    """
)
"""Nouns for the phrase between subject and verb, (singular, plural)."""

VERBS = (("is", "are"), ("has", "have"), ("does", "do"), ("goes", "go"), ("was", "were"))
"""Main verbs, (singular, plural): what the model is asked for."""

RELATIVE_VERBS = (
    ("admires", "admire"),
    ("avoids", "avoid"),
    ("follows", "follow"),
    ("hates", "hate"),
    ("helps", "help"),
    ("knows", "know"),
    ("likes", "like"),
    ("loves", "love"),
    ("meets", "meet"),
    ("remembers", "remember"),
    ("sees", "see"),
    ("thanks", "thank"),
    ("trusts", "trust"),
    ("visits", "visit"),
    ("watches", "watch"),
)
"""Verbs inside the relative clause, (singular, plural)."""

PREPOSITIONS = ("behind", "beside", "near")
