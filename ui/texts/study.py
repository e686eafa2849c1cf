# ruff: noqa: E501  (a table of prose reads best with one text a line)
"""The texts of the Study tab.

`STUDY[key] = (English, 简体中文)`.
"""

STUDY: dict[str, tuple[str, str]] = {
    "intro.study": (
        "A study repeats everything, from the data to PPO, and compares the policies at the same distance from SFT. Its margin and its number of replicates are fixed before the first run. It can be stopped at any time and continues where it was.",
        "一项研究会把从数据到 PPO 的全部过程重复多次，并在离 SFT 相同距离处比较各个策略。等效界限和重复次数在第一次运行之前就已固定。研究可以随时停止，之后从停下的地方继续。",
    ),
    "study.design": ("Design", "研究设计"),
    "study.start": ("Start or continue", "开始或继续"),
    "study.started": (
        "The study is starting. It goes on when this page is closed.",
        "研究正在启动；关闭本页面后它会继续运行。",
    ),
    "study.stop": ("Stop", "停止"),
    "study.shown": ("Study", "研究"),
    "study.none": ("No study has been begun in this workspace.", "这个工作区里还没有开始过研究。"),
    "study.runs": ("{done} of {planned} runs", "{done} / {planned} 次运行"),
    "study.replicates": ("{done} of {planned} replicates complete", "完成 {done} / {planned} 次重复"),
    "study.spent": ("{time} of computing", "计算时间 {time}"),
    "study.failed": (
        "Ended early: {names}. Continue to try them again.",
        "提前结束的运行：{names}。点继续可以重试。",
    ),
    "study.report": ("The report with all figures and tables: {path}", "包含全部图表的报告：{path}"),
    "study.partial": (
        "This is a partial result, not the planned test.",
        "这是部分结果，还不是计划中的检验。",
    ),
    "study.no_verdict": ("There is no verdict yet.", "目前还没有结论。"),
    "study.original": ("The report's own words, in English", "报告原文（英文）"),
    "study.too_few": (
        "{arm}: {count} comparable replicates are too few for a comparison.",
        "{arm}：可比较的重复只有 {count} 次，还不能比较。",
    ),
    "study.is_equivalent": (
        "{arm}: equivalent to the reference within the margin. Difference in gold {mean}, 95 % interval {low} to {high} ({count} replicates).",
        "{arm}：与基准等效（差别在界限之内）。标准奖励之差 {mean}，95% 区间 {low} 到 {high}（{count} 次重复）。",
    ),
    "study.is_worse": (
        "{arm}: less gold than the reference. Difference {mean}, 95 % interval {low} to {high} ({count} replicates).",
        "{arm}：标准奖励低于基准。差 {mean}，95% 区间 {low} 到 {high}（{count} 次重复）。",
    ),
    "study.is_better": (
        "{arm}: more gold than the reference. Difference {mean}, 95 % interval {low} to {high} ({count} replicates).",
        "{arm}：标准奖励高于基准。差 {mean}，95% 区间 {low} 到 {high}（{count} 次重复）。",
    ),
    "study.is_undecided": (
        "{arm}: undecided. Difference in gold {mean}, 95 % interval {low} to {high} ({count} replicates).",
        "{arm}：尚不能判定。标准奖励之差 {mean}，95% 区间 {low} 到 {high}（{count} 次重复）。",
    ),
    "study.is_invalid": (
        "{arm}: the study is not valid, so this comparison answers nothing. Difference in gold {mean}, 95 % interval {low} to {high} ({count} replicates).",
        "{arm}：这项研究无效，这一比较不能说明问题。标准奖励之差 {mean}，95% 区间 {low} 到 {high}（{count} 次重复）。",
    ),
    "study.plan_size": (
        "{replicates} replicates of {arms} arms with the preset {preset}",
        "{arms} 组，各重复 {replicates} 次，预设 {preset}",
    ),
    "study.plan_more": (
        "; after a pilot of {pilot}, up to {most} if the noise asks for it",
        "；先做 {pilot} 次试点，若噪声较大则增加到最多 {most} 次",
    ),
    "study.plan_outcome": (
        "Compared: the gold reward at {kl} nats per sequence from SFT, on {prompts} prompts",
        "比较的是：离 SFT 每条序列 {kl} nats 处的标准奖励，用 {prompts} 条提示词",
    ),
    "study.plan_line": (
        ", on the straight line from SFT to the trained policy",
        "，取 SFT 与训练后策略之间的直线",
    ),
    "study.plan_margin": (
        "Equivalent means: within {margin} of PPO's gain. Significance level {alpha}, power {power}",
        "等效的含义：差别不超过 PPO 增益的 {margin}。显著性水平 {alpha}，检验功效 {power}",
    ),
    "study.plan_what": ("What", "内容"),
    "study.plan_runs": ("Runs", "运行次数"),
    "study.plan_hours": ("Hours", "小时"),
    "study.plan_source": ("Estimated from", "估算依据"),
    "study.plan_unknown": ("no run like it yet", "还没有类似的运行"),
    "study.plan_sum": ("In all, one run at a time", "合计（逐个运行）"),
    "study.plan_least": ("at least", "至少"),
}
