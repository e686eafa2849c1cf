# ruff: noqa: E501  (a table of prose reads best with one text a line)
"""The texts of the Arena tab: asking, voting, the leaderboard and its verdicts.

`ARENA[key] = (English, 简体中文)`.
"""

ARENA: dict[str, tuple[str, str]] = {
    "intro.arena": (
        "The SFT model and three PPO policies, one per precision of the reward model, answer the same prompt. After your "
        "vote you see which model wrote which answer.",
        "四个模型回答同一个提示词：SFT 模型，以及针对三种精度的奖励模型训练的 PPO 策略。投票之后才揭晓谁是谁。",
    ),
    "arena.prompt": ("Your prompt", "你的提示词"),
    "arena.placeholder": ("Ask something in English …", "用英文问点什么……"),
    "arena.models": ("Who answers", "由谁作答"),
    "arena.shipped": ("shipped demo policies", "自带的演示策略"),
    "arena.yours": ("your training of {when}", "你在 {when} 训练的策略"),
    "arena.base.tiny": ("The tiny world's model (3.7 million parameters)", "微型世界的模型（370 万参数）"),
    "arena.base.smollm2": (
        "SmolLM2-135M-Instruct (135 million parameters)",
        "SmolLM2-135M-Instruct（1.35 亿参数）",
    ),
    "arena.nobody": (
        "Fewer than two policies can answer so far. Start the training with “Run missing steps”.",
        "还没有两个可以作答的策略。请点击“补齐缺少的步骤”开始训练。",
    ),
    "arena.fewer": (
        "Only {count} policies are trained so far; the others join when they are.",
        "目前只训练了 {count} 个策略；其余的训练好后会加入。",
    ),
    "arena.can.tiny": (
        "A laboratory model. It knows everyday things in short English: facts, small sums, steps, small talk. On "
        "anything else a good answer is an honest “I don't know”; a worse one bluffs.",
        "实验用的小模型，用简短的英文谈日常事物：常识、简单算术、步骤、闲聊。遇到别的话题，好的回答会老实说不知道，差的会瞎编。",
    ),
    "arena.can.small": (
        "A real but small language model, tuned on human preferences for helpful and harmless answers (Anthropic "
        "HH-RLHF). It speaks English, gets facts wrong and declines some ordinary questions: do not rely on it.",
        "真实但很小的语言模型，用人类对“有用、无害”回答的偏好（Anthropic HH-RLHF）调整过。它只会英文，会说错事实，有时连普通问题也拒绝回答，请勿依赖。",
    ),
    "arena.can.edge": (
        "A small language model, trained here on the preference data that you chose. It may be wrong about facts.",
        "在这里用你所选的偏好数据训练的小型语言模型，可能会说错事实。",
    ),
    "arena.ask": ("Ask", "提问"),
    "arena.stop": ("Stop", "停止"),
    "arena.next": ("Next prompt", "下一个提示词"),
    "arena.season": ("Season", "赛季"),
    "arena.season_label": (
        "Season {number}: {what}, since {when}, {votes} votes",
        "第 {number} 季：{what}，始于 {when}，{votes} 票",
    ),
    "arena.incomplete": (
        "Not ranked yet: {letters}. They now share the last place; press Vote again to confirm, or go on ranking.",
        "尚未排序：{letters}。它们现在并列最后；再按一次“投票”确认，或继续排序。",
    ),
    "arena.english_only": (
        "These models speak English only: please ask in English.",
        "这些模型只会英文：请用英文提问。",
    ),
    "arena.follow": ("Go on with this conversation", "继续这个对话"),
    "arena.empty": ("…", "……"),
    "arena.how": (
        "Click the answers from best to worst. Answers that you leave out share the last place.",
        "从最好到最差依次点击回答。没有点到的并列最后。",
    ),
    "keys.pick": ("pick", "选择"),
    "keys.tie": ("tie with the next", "与下一个并列"),
    "keys.bad": ("all bad", "都不好"),
    "keys.undo": ("undo", "撤销"),
    "keys.vote": ("vote", "投票"),
    "keys.next": ("next prompt after the vote", "投票后的下一个提示词"),
    "arena.order": ("Your order", "你的排序"),
    "arena.tie": ("= tie", "= 并列"),
    "arena.bad": ("All bad", "都不好"),
    "arena.undo": ("Undo", "撤销"),
    "arena.comment": ("Comment (optional)", "评语（可选）"),
    "arena.vote": ("Vote", "投票"),
    "arena.no_prompt": ("Write a prompt first, or click an example.", "请先写一个提示词，或点击示例。"),
    "arena.no_answer": ("The models gave no answer; ask again.", "模型没有作答，请再问一次。"),
    "arena.ask_first": (
        "Ask first, then vote; each round takes one vote.",
        "请先提问再投票；每一轮只能投一次。",
    ),
    "arena.retract": ("Take this vote back", "撤回这一票"),
    "arena.no_vote": ("There is no vote to take back.", "没有可以撤回的投票。"),
    "arena.taken_back": (
        "Taken back: this vote no longer counts. Ask again for a new one.",
        "已撤回：这一票不再计入。要重新投票，请再问一次。",
    ),
    "arena.same": ("The same text: {letters}.", "内容相同：{letters}。"),
    "arena.leaderboard": ("Leaderboard", "排行榜"),
    "arena.export": ("Export votes as preference pairs", "把投票导出为偏好数据"),
    "arena.csv": ("Votes as a table (CSV)", "投票表格（CSV）"),
    "arena.file": ("File", "文件"),
    "arena.exported": ("Exported: {what}", "已导出：{what}"),
    "reveal.title": ("Who was who", "揭晓"),
    "reveal.place": ("Place", "名次"),
    "reveal.answer": ("Answer", "回答"),
    "reveal.policy": ("Model", "模型"),
    "reveal.what": ("What it is", "说明"),
    "reveal.gold": ("Gold", "标准奖励"),
    "reveal.gold_note": (
        "Gold, 0 to 1: the score of the tiny world's own rules. No model was trained on it.",
        "标准奖励，0 到 1：微型世界自己的规则对回答的评分，没有任何模型用它训练。",
    ),
    "policy.sft": ("fine-tuned only, no RLHF", "只做过微调，没有 RLHF"),
    "policy.ppo-bf16": ("PPO against the bf16 reward model", "用 bf16 奖励模型做 PPO"),
    "policy.ppo-int8": ("PPO against the int8 reward model", "用 int8 奖励模型做 PPO"),
    "policy.ppo-int4": ("PPO against the int4 reward model", "用 int4 奖励模型做 PPO"),
    "board.empty": ("No votes yet. Yours will be the first.", "还没有投票。你的将是第一票。"),
    "board.policy": ("Model", "模型"),
    "board.strength": ("Strength", "实力"),
    "board.interval": ("95 % interval", "95 % 区间"),
    "board.p_best": ("Chance to be best", "最佳概率"),
    "board.best": ("Times first", "获第一"),
    "board.rank": ("Mean place", "平均名次"),
    "board.pairs": ("Won / tied / lost", "胜 / 平 / 负"),
    "board.few": (
        "Rankings so far: {votes}. Too few to say much; look at the intervals, not at the order.",
        "目前 {votes} 次排序：还说明不了什么；请看区间，不要看名次。",
    ),
    "board.some": ("Rankings: {votes}.", "{votes} 次排序。"),
    "verdict.people": (
        "For people in general, judged from {raters} raters: ",
        "对一般人而言（依据 {raters} 位评分者）：",
    ),
    "verdict.raters": ("In the votes of these {raters} raters: ", "在这 {raters} 位评分者的投票中："),
    "verdict.rater": ("In the votes of this one rater: ", "在这一位评分者的投票中："),
    "verdict.better": ("{a} is better than {b}", "{a} 优于 {b}"),
    "verdict.worse": ("{a} is worse than {b}", "{a} 不如 {b}"),
    "verdict.better_small": (
        "{a} is better than {b}, by less than {margin} points",
        "{a} 优于 {b}，但差距小于 {margin} 个百分点",
    ),
    "verdict.worse_small": (
        "{a} is worse than {b}, by less than {margin} points",
        "{a} 不如 {b}，但差距小于 {margin} 个百分点",
    ),
    "verdict.equivalent": (
        "{a} and {b} are equally good to within {margin} points",
        "{a} 与 {b} 相当，差距在 {margin} 个百分点以内",
    ),
    "verdict.not_worse": (
        "{a} is not worse than {b} by more than {margin} points",
        "{a} 不比 {b} 差 {margin} 个百分点以上",
    ),
    "verdict.counts": (
        " ({wins} of {decisive} decisive votes, e = {e}).",
        "（{decisive} 次分出高下的投票中胜 {wins} 次，e = {e}）。",
    ),
    "verdict.undecided": ("{a} against {b}: undecided", "{a} 对 {b}：尚无定论"),
    "verdict.more_rankings": (
        "; about {more} more rankings by these raters ({wins} of {decisive} decisive votes so far).",
        "；这些评分者大约还需 {more} 次排序（目前 {decisive} 次分出高下的投票中胜 {wins} 次）。",
    ),
    "verdict.no_more": (
        "; more votes like these are not likely to decide it ({wins} of {decisive} decisive votes so far).",
        "；继续这样投票也不太可能得出定论（目前 {decisive} 次分出高下的投票中胜 {wins} 次）。",
    ),
    "verdict.these_only": ("It speaks for nobody else.", "这不代表其他人。"),
    "verdict.more_raters": (
        "For people in general: about {more} more raters with {each} decisive votes each.",
        "要代表一般人，大约还需 {more} 位评分者，每人 {each} 次分出高下的投票。",
    ),
    "verdict.without": (
        "Without {flagged} of {raters} raters, who answered faster than one can read or always alike: {what}",
        "去掉 {raters} 位评分者中答得比阅读还快或总是雷同的 {flagged} 位：{what}",
    ),
    "verdict.same": ("the same verdicts.", "结论不变。"),
    "verdict.stop_decided": ("Decided: no more votes are needed.", "已有定论：不需要更多投票。"),
    "verdict.stop_target": (
        "The planned {target} rankings are there: stop here, and report what is said above.",
        "计划的 {target} 次排序已完成：到此为止，按上面的结论报告。",
    ),
    "verdict.picture": (
        "Preference for {a} over {b}: {share} %, between {low} and {high} % with 95 % confidence at every look.",
        "偏好 {a} 而非 {b}：{share} %，任何时候查看都以 95 % 的置信度落在 {low} 到 {high} % 之间。",
    ),
    "verdict.legend": (
        "Dot: share of decisive votes for the first model. Bar: where its preference lies, however often one looks. "
        "Shaded: within the margin of {margin} points.",
        "圆点：第一个模型在分出高下的投票中的得票率。横条：无论查看多少次，其偏好率所在的范围。阴影：{margin} 个百分点以内。",
    ),
    "trust.title": ("Can these votes be trusted?", "这些投票可信吗？"),
    "trust.check": ("Check the votes", "检查投票"),
    "trust.panes": (
        "Best by pane: {wins}. Chance alone would differ as much in {p} % of studies.",
        "各位置获第一次数：{wins}。纯属偶然时，有 {p} % 的研究会差得这么多。",
    ),
    "trust.length": (
        "The longer answer won {share} of the decisive comparisons (50 % = no preference for length).",
        "较长的回答赢了 {share} 的分出高下的比较（50 % 表示不偏好长度）。",
    ),
    "trust.alpha": (
        "Raters of the same answers agree with Krippendorff's alpha = {alpha} (1 = fully, 0 = by chance).",
        "对相同回答，评分者之间的一致性 Krippendorff α = {alpha}（1 为完全一致，0 为偶然）。",
    ),
    "trust.repeats": (
        "Asked again, a rater ordered {share} of the pairs the same way.",
        "重复出现时，评分者对 {share} 的配对给出相同顺序。",
    ),
    "trust.unknown": ("Not known yet: {what}.", "尚不清楚：{what}。"),
    "trust.no_alpha": (
        "agreement between raters (nobody has rated another's answers)",
        "评分者之间的一致性（还没有人评过别人评过的回答）",
    ),
    "trust.no_repeats": ("consistency within a rater (no repeats)", "评分者自身的一致性（没有重复题）"),
    "trust.rater": ("Rater", "评分者"),
    "trust.votes": ("Votes", "投票数"),
    "trust.seconds": ("Seconds per vote", "每票秒数"),
    "trust.consistency": ("Same on repeats", "重复一致"),
    "trust.flags": ("Remarks", "备注"),
    "trust.flag.too fast": ("faster than one can read", "比阅读还快"),
    "trust.flag.straight-lining": ("always the same order of panes", "总是同样的位置顺序"),
    "trust.flag.one pane": ("prefers one pane", "偏好某一位置"),
}
