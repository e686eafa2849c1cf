# ruff: noqa: E501  (a table of prose reads best with one text a line)
"""The texts of the reward models' report cards and of over-optimisation.

`MEASURING[key] = (English, 简体中文)`.
"""

MEASURING: dict[str, tuple[str, str]] = {
    "card.title": ("Report card: what accuracy does not show", "成绩单：准确率看不出来的事"),
    "card.none": (
        "No report card yet. An evaluation makes one for each reward model; on the command line:",
        "还没有成绩单。评测时会为每个奖励模型生成一份；也可以用命令行生成：",
    ),
    "card.line": ("Measure", "指标"),
    "card.note": (
        "Values ± standard error. Variance, best of four, slopes and what is told apart come from four answers of SFT to each of "
        "{prompts} held-out prompts. Point at a line, or tap it, to see what it means.",
        "数值 ± 标准误。方差、四选一、斜率以及能否分清相同与不同，都来自 SFT 对 {prompts} 条留出提示词各作的四个回答。指向或点按一行可查看含义。",
    ),
    "card.accuracy": ("Accuracy on the test pairs", "测试对上的准确率"),
    "card.about.accuracy": (
        "How often it scores the chosen answer above the rejected one. The standard error is that of this test set; pairs "
        "that share a prompt count together.",
        "给优选回答打更高分的比例。标准误按这个测试集计算；同一提示词的各对合在一起算。",
    ),
    "card.bayes": ("Best reachable accuracy", "可达到的最高准确率"),
    "card.about.bayes": (
        "The labels are noisy: even the gold reward agrees with only this share of them.",
        "标签带有噪声：即使标准奖励也只与这么多标签一致。",
    ),
    "card.seen": ("Subjects seen in training", "训练中见过的主题"),
    "card.about.seen": (
        "Accuracy on test pairs whose subject also occurs in training, in other words or with other answers.",
        "测试对的主题在训练中也出现过（说法或回答不同）时的准确率。",
    ),
    "card.unseen": ("New subjects", "全新的主题"),
    "card.about.unseen": (
        "Accuracy on test pairs about subjects that training never had. Much lower than above: it learned subjects by "
        "heart.",
        "训练中从未出现过的主题上的准确率。如果明显更低，说明模型是在死记主题。",
    ),
    "card.specificity": ("Tells equal from different", "能分清相同与不同"),
    "card.about.specificity": (
        "The chance that two answers of equal gold get closer scores than two of different gold. 0.5 is chance, 1 is "
        "perfect. Where it is low, PPO chases differences that do not exist.",
        "标准奖励相同的两个回答，分数比标准奖励不同的两个更接近的概率。0.5 是随机水平，1 最好。数值低时，PPO 会追逐并不存在的差别。",
    ),
    "card.within": ("Variance between answers to one prompt", "同一提示词各回答之间的方差占比"),
    "card.about.within": (
        "The share of its scores' variance that lies between SFT's answers to the same prompt. PPO learns from that part "
        "only; the rest is which prompt it was.",
        "分数的方差中，有多少来自 SFT 对同一提示词的不同回答。PPO 只能从这部分学到东西，其余只是提示词之间的差别。",
    ),
    "card.best_of": ("Gold gained by the best of four", "四选一带来的标准奖励增益"),
    "card.about.best_of": (
        "SFT answers four times and the reward model picks one: how much higher its gold is than the mean of the four. "
        "What PPO can hope for with little optimisation.",
        "SFT 回答四次，由奖励模型挑一个：它的标准奖励比四个的平均高多少。这大致是轻度优化能得到的收益。",
    ),
    "card.share": ("of what a perfect choice gains", "占完美选择增益的比例"),
    "card.about.share": (
        "100 % would be the answer with the highest gold every time.",
        "100 % 表示每次都选中标准奖励最高的回答。",
    ),
    "card.length": ("Score per 10 more words", "每多 10 个词的分数变化"),
    "card.about.length": (
        "In standard deviations of its scores, between answers to the same prompt, at equal gold where gold is known. Far "
        "from 0: length itself is rewarded or punished.",
        "以分数的标准差为单位，比较同一提示词的回答；在知道标准奖励时按标准奖励相同来比。离 0 越远，越是在奖励或惩罚长度本身。",
    ),
    "card.politeness": ("Score per courtesy", "每多一句客套的分数变化"),
    "card.about.politeness": (
        "The same for courtesies such as “thank you” or “I hope that helps”.",
        "同上，数的是“谢谢”“希望对你有帮助”这类客套话。",
    ),
    "card.batch": ("Pairs that change sides in a batch", "放进批次后改变结论的对"),
    "card.about.batch": (
        "Scored alone and in a batch, an answer should get the same score. The share of pairs whose winner changes, and "
        "the largest difference in standard deviations.",
        "单独打分和放在批次里打分，结果应当相同。这里是优胜者改变的对的比例，以及最大差别（标准差）。",
    ),
    "card.ece": ("Calibration error", "校准误差"),
    "card.about.ece": (
        "How far its confidence is from its accuracy, on average. 0 is perfect; the chart above shows where.",
        "把握与准确率平均相差多少。0 最好；上面的图显示差在哪里。",
    ),
    "card.absent.kinds": (
        "By kind of request: these data do not know kinds.",
        "按请求种类：这份数据没有种类。",
    ),
    "card.absent.subjects": (
        "Seen and new subjects: these data do not tell subjects apart, or one of the two does not occur.",
        "见过的与全新的主题：这份数据分不出主题，或者其中一类没有出现。",
    ),
    "card.absent.gold": (
        "Equal against different, and the best of four: outside the tiny world there is no gold reward.",
        "分清相同与不同、四选一：在微型世界之外没有标准奖励。",
    ),
    "card.absent.equal": (
        "Equal against different: SFT's answers had no pairs of both sorts.",
        "分清相同与不同：SFT 的回答里没有同时出现这两类对。",
    ),
    "card.absent.variation": (
        "A slope is missing because SFT's answers to one prompt do not differ in it.",
        "缺少某个斜率：SFT 对同一提示词的回答在这一点上没有差别。",
    ),
    "card.says.gap": (
        "{name} knows subjects by heart: {seen} right on those seen in training, {new} on new ones.",
        "{name} 在死记主题：训练中见过的对 {seen}，全新的只对 {new}。",
    ),
    "card.taste.length": ("length (per 10 words)", "长度（每 10 个词）"),
    "card.taste.politeness": ("courtesies (each)", "客套话（每句）"),
    "card.says.likes": (
        "{name} rewards {what} as such: {slope} standard deviations at equal quality. PPO will make use of that.",
        "{name} 会单独奖励{what}：质量相同时为 {slope} 个标准差。PPO 会利用这一点。",
    ),
    "card.says.dislikes": (
        "{name} punishes {what} as such: {slope} standard deviations at equal quality.",
        "{name} 会单独惩罚{what}：质量相同时为 {slope} 个标准差。",
    ),
    "card.says.unspecific": (
        "{name} cannot be told from chance where gold sees no difference ({value}).",
        "在标准奖励认为没有差别的地方，{name} 与随机无异（{value}）。",
    ),
    "card.says.batch": (
        "{name} depends on the batch: {share} of the pairs change sides.",
        "{name} 的分数依赖批次：{share} 的对会改变结论。",
    ),
    "card.says.good": (
        "Nothing stands out: no gap between seen and new subjects, no strong taste for length or courtesy, no dependence "
        "on the batch.",
        "没有异常：见过与全新的主题没有差距，不偏爱长度或客套，也不依赖批次。",
    ),
    "kind.fact": ("facts", "事实"),
    "kind.choice": ("choices", "选择"),
    "kind.list": ("lists", "列举"),
    "kind.steps": ("instructions", "步骤"),
    "kind.advice": ("advice", "建议"),
    "kind.social": ("small talk", "寒暄"),
    "kind.unknown": ("unknown subjects", "未知的主题"),
    "kind.harmful": ("harmful requests", "有害请求"),
    "over.title": ("Over-optimisation: does the score still mean something?", "过度优化：分数还有意义吗？"),
    "over.score": ("reward model's score (sd)", "奖励模型的分数（标准差）"),
    "over.judge": ("judge (sd)", "评判模型（标准差）"),
    "over.own": ("own reward model, held-out (sd)", "自己的奖励模型，留出集（标准差）"),
    "over.sd": ("sd of SFT", "SFT 标准差"),
    "over.note": (
        "Each point is a step; the line is the mean of five. Going right, the policy leaves SFT. While both lines rise, PPO "
        "learns; where the score rises alone, PPO fits the reward model's errors.",
        "每个点是一步，线是五步的平均。越往右，策略离 SFT 越远。两条线都升，PPO 在学习；只有分数在升，PPO 就是在迎合奖励模型的误差。",
    ),
    "over.unknown": (
        "Only the reward model's score is known here, and it alone cannot show whether it is being exploited. Prepare the "
        "data with a judge and evaluate: then the judge appears in this chart.",
        "这里只知道奖励模型的分数，单凭它看不出是否被钻了空子。准备数据时留出评判模型的一份，再做评测，图里就会出现评判模型。",
    ),
    "over.calm.gold": (
        "No alarm: gold is not below its best while the score rises.",
        "没有警报：分数上升时，标准奖励没有明显低于最好水平。",
    ),
    "over.calm.judge": (
        "No alarm: the judge is not below its best while the score rises.",
        "没有警报：分数上升时，评判模型没有明显低于最好水平。",
    ),
    "over.alarm.gold": (
        "Alarm since step {step}: the score has risen, but gold is {fall} below its best. The policy exploits its reward "
        "model.",
        "从第 {step} 步起报警：分数上升了，标准奖励却比最好时低 {fall}。策略在钻奖励模型的空子。",
    ),
    "over.alarm.judge": (
        "Alarm since step {step}: the score has risen, but the judge is {fall} standard deviations below its best. The "
        "policy exploits its reward model.",
        "从第 {step} 步起报警：分数上升了，评判模型却比最好时低 {fall} 个标准差。策略在钻奖励模型的空子。",
    ),
    "over.measured": (
        "How far to trust this alarm: on {runs} runs whose end is known, {harmed} of them harmed, it caught {caught} and was "
        "wrong in {false} of the others (95 % intervals).",
        "这个警报有多可信：在 {runs} 次结局已知的运行中（其中 {harmed} 次受损），它发现了 {caught}，在其余运行中误报 {false}（95 % 区间）。",
    ),
    "over.best": (
        "Best {by}: {value} at step {step}, before the end.",
        "{by}最好的是第 {step} 步（{value}），早于最后一步。",
    ),
    "over.best_last": (
        "Best {by}: {value} at step {step}, the last one.",
        "{by}最好的是第 {step} 步（{value}），也就是最后一步。",
    ),
    "over.by.gold": ("gold (mean of five rollouts)", "标准奖励（五步平均）"),
    "over.by.judge": ("judge", "评判模型的增益"),
    "over.use": ("Use step {step} instead", "改用第 {step} 步"),
    "over.command": (
        "It becomes a run of its own, which the arena and the next evaluation take. On the command line, or to export it:",
        "它会成为一次独立的运行，供竞技场和下一次评测使用。也可以用命令行完成或导出：",
    ),
    "over.taken": (
        "Step {step} is now a run of its own; the arena uses it from its next round on.",
        "第 {step} 步已成为一次独立的运行；竞技场从下一轮起使用它。",
    ),
    "over.nothing": ("There is no such step.", "没有这一步。"),
}
