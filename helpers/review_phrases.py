"""The words of the stand-in reviews: sentences with slots, and what may stand in a slot. Read by helpers/grammar.py.

A slot depends on one of three things that a review remembers: its sentiment, its genre, the name of its
lead. Where that is already settled only the words of its value are possible; where it is not, the word
that is chosen settles it. So a word near the end can follow from one near the beginning.
"""

_GENRES = ("thriller", "comedy", "western", "romance", "musical", "mystery")
_WOMEN = ("anna", "maria", "julia", "helen")
_MEN = ("peter", "david", "frank", "victor")


def _by_lead(for_women: str, for_men: str) -> dict[str, str]:
    return dict.fromkeys(_WOMEN, for_women) | dict.fromkeys(_MEN, for_men)


# Slots that remember nothing: the likely words first.
FREE_SLOTS = {
    "film": "movie film picture feature",
    "years": "years months ages",
    "person": "sister brother wife husband friend mother boss neighbour",
    "music": "music score soundtrack",
    "part": "pace beginning lighting costumes title makeup editing middle",
    "very": "very really quite truly simply",
    "rather": "rather somewhat fairly almost",
    "audience": "audience room crowd row",
}

# Slots by what they depend on: {slot: (memory, {value: words})}.
KEYED_SLOTS = {
    "genre": ("genre", {genre: genre for genre in _GENRES}),
    "lead": ("lead", {name: name for name in _WOMEN + _MEN}),
    "he": ("lead", _by_lead("she", "he")),
    "him": ("lead", _by_lead("her", "him")),
    "his": ("lead", _by_lead("her", "his")),
    "actor": ("lead", _by_lead("actress", "actor")),
    "liked": ("sentiment", {"good": "loved enjoyed adored liked", "bad": "hated disliked regretted despised"}),
    "fine": (
        "sentiment",
        {
            "good": "great wonderful brilliant beautiful charming delightful superb touching fresh clever",
            "bad": "terrible boring dull stupid ridiculous pathetic predictable lame painful clumsy",
        },
    ),
    "flawed": (  # the other way round: for the sentence that admits something
        "sentiment",
        {"good": "slow long confusing loud cheap uneven", "bad": "pretty funny decent original watchable exciting"},
    ),
    "best": ("sentiment", {"good": "best finest greatest smartest", "bad": "worst weakest poorest silliest"}),
    "well": (
        "sentiment",
        {"good": "perfectly brilliantly beautifully convincingly", "bad": "badly poorly lazily horribly"},
    ),
    "believe": ("sentiment", {"good": "believe remember feel savour", "bad": "doubt forget mock fear"}),
    "carries": ("sentiment", {"good": "carries lifts saves improves", "bad": "ruins spoils sinks wastes"}),
    "joy": ("sentiment", {"good": "joy pleasure treat delight", "bad": "mess disaster bore disgrace"}),
    "cheering": ("sentiment", {"good": "cheering crying smiling clapping", "bad": "sleeping gone yawning leaving"}),
    "gladly": ("sentiment", {"good": "gladly certainly happily", "bad": "never hardly"}),
    "stars": ("sentiment", {"good": "nine ten eight seven", "bad": "two one three four"}),
    "watch": ("sentiment", {"good": "watch see rent buy", "bad": "skip avoid burn return"}),
    "recommend": ("sentiment", {"good": "recommend praise suggest", "bad": "pity warn"}),
    "gold": ("sentiment", {"good": "wit warmth heart style truth", "bad": "holes noise cliches nonsense mistakes"}),
    "hero": (
        "genre",
        {
            "thriller": "detective spy killer lawyer",
            "comedy": "waiter clown dentist salesman",
            "western": "sheriff cowboy marshal rancher",
            "romance": "nurse painter widow soldier",
            "musical": "singer dancer pianist composer",
            "mystery": "butler professor librarian vicar",
        },
    ),
    "meets": (
        "genre",
        {
            "thriller": "chases escapes betrays",
            "comedy": "insults imitates annoys",
            "western": "fights shoots captures",
            "romance": "kisses marries misses",
            "musical": "teaches inspires follows",
            "mystery": "suspects questions watches",
        },
    ),
    "rival": (
        "genre",
        {
            "thriller": "terrorists smugglers agents hackers",
            "comedy": "tourists cousins policemen twins",
            "western": "bandits strangers gamblers rustlers",
            "romance": "lovers sweethearts admirers poets",
            "musical": "drummers producers violinists stars",
            "mystery": "heirs witnesses burglars ghosts",
        },
    ),
    "place": (
        "genre",
        {
            "thriller": "city harbour subway bank",
            "comedy": "hotel restaurant bakery casino",
            "western": "desert saloon canyon town",
            "romance": "garden village hospital park",
            "musical": "theatre club ballroom studio",
            "mystery": "mansion museum castle cellar",
        },
    ),
    "moments": (
        "genre",
        {
            "thriller": "twists chases explosions",
            "comedy": "jokes pranks gags",
            "western": "duels horses sunsets",
            "romance": "letters tears promises",
            "musical": "songs dances choruses",
            "mystery": "clues secrets shadows",
        },
    ),
}

# Groups of sentences. In a group, and between groups that can come next, the next word always tells which.
SENTENCES = {
    "opening": (
        "this {film} is the {best} {genre} i have seen in {years}",
        "this {film} was a {fine} {genre} with a {fine} cast",
        "i {liked} this {genre} from the first minute to the last",
        "i {liked} every minute of this {fine} {genre}",
        "i saw this {genre} with my {person} and we both {liked} it",
        "what a {fine} {genre} this {film} turned out to be",
        "my {person} showed me this {genre} and it was {very} {fine}",
        "{lead} stars in this {fine} {genre} from last year",
    ),
    "story": (
        "it tells the story of a {hero} who {meets} {rival} in a {place}",
        "the story is about a {hero} and some {rival} who share a {place}",
        "a {hero} comes to a {place} and {meets} the {rival} there",
        "one day in a {place} a {hero} {meets} some {rival}",
    ),
    "lead": (
        "{lead} plays the {hero} and {he} does it {well}",
        "the {hero} is played {well} by {lead}",
        "{lead} gives the {best} performance of {his} career",
        "as the {hero} {lead} is {very} {fine}",
    ),
    "pronoun": (
        "{he} {carries} every scene in the {place}",
        "you {believe} every word {he} says to the {rival}",
        "no other {actor} {carries} a {film} like {lead}",
        "watching {him} with the {rival} is a {joy}",
    ),
    "music": (
        "the {music} is {fine} and full of {gold}",
        "the {music} was {well} chosen and so were the {moments}",
    ),
    "camera": (
        "the camera shows the {place} {well}",
        "every shot of the {place} looks {fine}",
    ),
    "script": (
        "the script is full of {gold} and {moments}",
        "there are {moments} in it which are {very} {fine}",
        "all those {moments} were {well} written",
    ),
    "ending": (
        "at the end half of the {audience} was {cheering}",
        "the last scene in the {place} with {lead} is a {joy}",
    ),
    "contrast": (
        "only the {part} was {rather} {flawed}",
        "to be fair the {part} seemed {flawed} to me",
        "some of the {moments} were {flawed} though",
    ),
    "verdict": (
        "overall i give this {genre} {stars} out of ten",
        "do yourself a favour and {watch} it",
        "in short {watch} this {fine} {genre} with {lead}",
        "i {recommend} everyone who goes to see this {genre}",
        "i would {gladly} watch it again",
        "if you like a good {genre} then {watch} this one",
    ),
}

# After each stage: which group of sentences can follow, with what weight, and the stage that comes then.
STAGES = {
    "start": (("opening", 1, "opened"),),
    "opened": (("story", 1, "told"),),
    "told": (("lead", 1, "introduced"),),
    "introduced": (("pronoun", 3, "praised"), ("music", 1, "heard"), ("camera", 1, "seen")),
    "praised": (("music", 2, "heard"), ("camera", 2, "seen"), ("script", 2, "read"), ("verdict", 1, "end")),
    "heard": (("camera", 2, "seen"), ("script", 2, "read"), ("ending", 1, "ended"), ("verdict", 1, "end")),
    "seen": (("script", 2, "read"), ("ending", 1, "ended"), ("contrast", 1, "admitted"), ("verdict", 1, "end")),
    "read": (("ending", 2, "ended"), ("contrast", 1, "admitted"), ("verdict", 2, "end")),
    "ended": (("contrast", 1, "admitted"), ("verdict", 2, "end")),
    "admitted": (("verdict", 1, "end"),),
}
