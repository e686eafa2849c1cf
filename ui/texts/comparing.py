# ruff: noqa: E501  (a table of prose reads best with one text a line)
"""The texts of the comparison of runs, and of their names and deletion.

`COMPARING[key] = (English, 简体中文)`.
"""

COMPARING: dict[str, tuple[str, str]] = {
    "runs.compare": ("Compare", "比较"),
    "runs.pick": ("Runs to compare", "要比较的运行"),
    "runs.pick_two": (
        "Choose two or more runs: one chart shows them all, live while they train; runs that differ only in their "
        "seed become one line with a band.",
        "选择两个或更多运行：一张图里看全部，训练时实时更新；只有种子不同的运行会合成一条线，并画出波动带。",
    ),
    "runs.metric": ("Curve", "曲线"),
    "compare.newest": ("Newest PPO arms", "最新的各组 PPO"),
    "compare.listed": ("All runs in the list", "列表中的全部运行"),
    "compare.axis": ("Over", "横轴"),
    "compare.smoothing": ("Smoothing", "平滑"),
    "compare.seeds": ("{count} seeds", "{count} 个种子"),
    "compare.answers": ("Answers to the same prompt, step by step", "同一提示词在各步的回答"),
    "samples.run": ("Run", "运行"),
    "samples.gold": ("Gold", "标准奖励"),
    "compare.first": (
        "The table has room for the first {count} groups; filter the list for fewer.",
        "表中只列出前 {count} 组；可以用筛选缩小范围。",
    ),
    "compare.note": (
        "Runs that differ only in their seed are one group: their mean ± standard deviation. The band in the chart "
        "is one standard deviation too.",
        "只有种子不同的运行算一组，显示平均值 ± 标准差；图中的波动带也是一个标准差。",
    ),
    "axis.step": ("Steps", "步数"),
    "axis.minutes": ("Training time, minutes", "训练时间，分钟"),
    "axis.distance": ("Distance from SFT, √KL", "离 SFT 的距离，√KL"),
    "axis.tokens": ("Tokens", "词元数"),
    "chart.reward_sd": ("Reward model's score, sd of SFT", "奖励模型的分数（SFT 标准差）"),
    "chart.throughput": ("Throughput, tokens per second", "吞吐量，词元/秒"),
    "chart.memory": ("Memory, GB", "内存，GB"),
    "chart.gpu_memory": ("GPU memory, GB", "显存，GB"),
    "label.title": ("Name, tags, delete", "名称、标签与删除"),
    "label.name": ("Name", "名称"),
    "label.tags": ("Tags", "标签"),
    "label.tags_hint": ("separated by spaces", "用空格分开"),
    "label.save": ("Save", "保存"),
    "label.saved": ("Saved.", "已保存。"),
    "delete.ask": ("Delete this run …", "删除这次运行……"),
    "delete.yes": ("Delete for good", "永久删除"),
    "delete.no": ("Keep it", "保留"),
    "delete.done": ("The run is deleted.", "这次运行已删除。"),
    "delete.live": ("The run is waiting or running; cancel it first.", "这次运行正在排队或进行，请先取消。"),
    "delete.warning": (
        "Delete {what} with its model, curves and checkpoints? This cannot be undone.",
        "要删除 {what} 以及它的模型、曲线和检查点吗？删除后无法恢复。",
    ),
    "delete.depends": (
        "These depend on it. They stay, but they cannot be made again in the same way:",
        "下列内容以它为基础。它们会保留，但无法再用同样的方式重做：",
    ),
    "delete.alone": ("Nothing else depends on it.", "没有其他内容以它为基础。"),
    "delete.rounds": (
        "{count} rounds of the arena with its answers; the rounds and their votes are kept",
        "竞技场中有 {count} 轮包含它的回答；这些轮次和投票会保留",
    ),
}
