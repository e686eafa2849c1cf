# ruff: noqa: E501  (a table of prose reads best with one text a line)
"""The texts of the Runs tab.

`RUNS[key] = (English, 简体中文)`.
"""

RUNS: dict[str, tuple[str, str]] = {
    "intro.runs": (
        "All runs in this workspace. Each run is one folder with its settings, curves, log, checkpoints and model.",
        "这个工作区中的所有运行。每次运行是一个文件夹，包含设置、曲线、日志、检查点和模型。",
    ),
    "runs.api": ("API for scripts", "供脚本使用的 API"),
    "runs.what": ("What", "内容"),
    "runs.state": ("State", "状态"),
    "runs.started": ("Started (UTC)", "开始（UTC）"),
    "runs.time": ("Time", "用时"),
    "runs.result": ("Result", "结果"),
    "runs.id": ("Run", "运行编号"),
    "runs.detail": ("One run", "单个运行"),
    "runs.config": ("Settings", "设置"),
    "runs.log": ("End of the log", "日志末尾"),
    "runs.compare": ("Compare", "比较"),
    "runs.pick": ("Runs to compare", "要比较的运行"),
    "runs.pick_two": (
        "Choose two or more runs. Their curves appear in one chart, with a table of the settings that differ.",
        "选择两个或更多运行：它们的曲线会画在一张图里，下方只列出不同的设置。",
    ),
    "runs.metric": ("Curve", "曲线"),
    "runs.same": ("The settings and results are the same.", "设置与结果相同。"),
    "runs.differs": ("Difference", "不同之处"),
    "runs.parents": ("Based on {what}.", "上游：{what}。"),
    "runs.memory": (
        "Peak memory {rss}, GPU {cuda}; adapter {adapter}.",
        "内存峰值 {rss}，显存 {cuda}；适配器 {adapter}。",
    ),
    "runs.machine": ("Machine: {what}.", "机器：{what}。"),
    "runs.attempts": ("{count} attempts.", "共 {count} 次尝试。"),
    "result.eval_loss": ("validation loss", "验证损失"),
    "result.loss": ("loss", "损失"),
    "result.accuracy": ("accuracy", "准确率"),
    "result.gold_mean": ("gold", "标准奖励"),
    "result.score_gain": ("gain", "增益"),
}
