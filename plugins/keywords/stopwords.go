package keywords

// Words that are in every English text: articles, pronouns, prepositions, conjunctions, auxiliary verbs.
var stopWords = set(`
a about above across after again against all almost along already also although always am among an and another any
anybody anyone anything are aren't around as at away back be became because become becomes been before began behind
being below between both but by can can't cannot come could couldn't did didn't do does doesn't doing don't done down
during each either else enough even ever every everybody everyone everything few first for from further get gets give
given go goes got had hadn't has hasn't have haven't having he he's her here hers herself him himself his how however i
i'd i'll i'm i've if in instead into is isn't it it's its itself just keep kept last least less let let's like likely
made make makes many may maybe me might mine more most mostly much must my myself near need needs never next no nobody
none nor not nothing now nowhere of off often on once one only onto or other others otherwise our ours ourselves out over
own per perhaps put quite rather really same say says second see seem seems seen several shall she she's should
shouldn't since so some somebody someone something still such take taken than that that's the their theirs them
themselves then there there's therefore these they they'd they'll they're they've thing things this those though three
through thus to together too toward towards two under until up upon us use used uses using very via want wants was wasn't
way we we'd we'll we're we've well went were weren't what what's whatever when where whether which while who whole whom
whose why will with within without won't would wouldn't yet you you'd you'll you're you've your yours yourself
yourselves
`)
