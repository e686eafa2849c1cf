# ruff: noqa: E501  (a table of prose reads best with one text a line)
"""The texts that the training tabs share: forms, runs, charts and their readings, calibration.

`TRAINING[key] = (English, 简体中文)`.
"""

TRAINING: dict[str, tuple[str, str]] = {
    "form.more": ("More settings", "更多设置"),
    "form.parents_base": ("that of the parent run", "沿用上游运行"),
    "base.tiny": ("tiny world, 3.7 million parameters · included", "微型世界，370 万参数 · 自带"),
    "base.installed": ("{name} · installed", "{name} · 已安装"),
    "base.pretrained": ("base trained here on {when}", "在这里预训练的基座，{when}"),
    "base.folder": ("{name} · folder, {size}", "{name} · 文件夹，{size}"),
    "base.gguf": ("{name} · GGUF file, {size}", "{name} · GGUF 文件，{size}"),
    "base.cache": ("{name} · downloaded already, {size}", "{name} · 已下载，{size}"),
    "base.hub": ("{name} · from the hub, downloaded when needed", "{name} · 来自 hub，需要时下载"),
    "dataset.label": ("{name} · {pairs} pairs · {source}", "{name} · {pairs} 对 · {source}"),
    "dataset.tiny": ("tiny world", "微型世界"),
    "dataset.votes": ("votes from the arena", "竞技场投票"),
    "dataset.cache": ("{name} · downloaded already", "{name} · 已下载"),
    "form.reset": ("Reset to the preset", "恢复预设值"),
    "form.below": ("{label}: at least {bound}.", "{label}：至少为 {bound}。"),
    "form.above": ("{label}: at most {bound}.", "{label}：至多为 {bound}。"),
    "form.newest": ("the newest", "最新的"),
    "form.memory": ("Needs about {need} of memory; {there} free.", "约需 {need} 内存；目前可用 {there}。"),
    "form.command": ("Equivalent command", "等价的命令行"),
    "precision.one": (
        "Number format of the frozen base model; int4 is QLoRA.",
        "冻结基座模型的数值格式；int4 即 QLoRA。",
    ),
    "precision.reward": ("Trains one reward model per precision.", "每种精度各训练一个奖励模型。"),
    "precision.ppo": (
        "Trains one policy per precision of the reward model.",
        "针对每种精度的奖励模型各训练一个策略。",
    ),
    "start.prepare": ("Prepare the data", "准备数据"),
    "start.sft": ("Start SFT", "开始 SFT"),
    "start.reward": ("Train reward models", "训练奖励模型"),
    "start.ppo": ("Start PPO", "开始 PPO"),
    "start.evaluate": ("Evaluate", "开始评测"),
    "then.sft": ("start SFT", "开始 SFT"),
    "then.reward": ("train reward models", "训练奖励模型"),
    "then.ppo": ("start PPO", "开始 PPO"),
    "then.evaluate": ("evaluate", "开始评测"),
    "start.after_data": ("Prepare the data, then {then}", "先准备数据，再{then}"),
    "start.after": ("Run {count} earlier steps, then {then}", "先运行前面的 {count} 步，再{then}"),
    "start.done": (
        "Runs added to the queue: {count}. You can close the page; training continues.",
        "已加入队列：{count} 个任务。可以关闭页面，训练会继续。",
    ),
    "run.log": ("Log", "日志"),
    "run.log_empty": ("The output of the run appears here.", "运行的输出会显示在这里。"),
    "run.none": (
        "No run yet. Press the start button, and the progress and the curves appear here.",
        "还没有运行。按下开始按钮，进度和曲线就会显示在这里。",
    ),
    "run.newest": ("the newest", "最新的"),
    "run.shown": ("Run", "运行"),
    "run.cancel": ("Cancel", "取消"),
    "run.resume": ("Resume", "继续"),
    "run.left": ("{time} left", "剩余 {time}"),
    "run.took": ("took {time}", "用时 {time}"),
    "run.silent": (
        "No output for {time}. If this continues, cancel the run and resume it.",
        "已有 {time} 没有任何输出。如果一直这样，请先取消再继续。",
    ),
    "samples.title": ("Answers during training, newest first", "训练过程中的回答，最新的在前"),
    "samples.step": ("Step", "步"),
    "samples.prompt": ("Prompt", "提示词"),
    "samples.answer": ("Answer", "回答"),
    "samples.score": ("Score", "分数"),
    "verdict.pass": ("met", "达到"),
    "verdict.fail": ("missed", "未达到"),
    "verdict.none": ("not measured", "未测量"),
    "chart.loss": ("Loss", "损失"),
    "chart.token_accuracy": ("Next-token accuracy", "下一词元准确率"),
    "chart.lr": ("Learning rate", "学习率"),
    "chart.grad_norm": ("Gradient norm", "梯度范数"),
    "chart.accuracy": ("Accuracy: prefers the chosen answer", "准确率：更偏好优选回答"),
    "chart.margin": ("Margin between chosen and rejected", "优选与被拒的分差"),
    "chart.reward": ("Reward model's score", "奖励模型的分数"),
    "chart.gold": ("Gold reward", "标准奖励"),
    "chart.kl": ("KL from SFT, nats per answer", "与 SFT 的 KL，奈特/条"),
    "chart.entropy": ("Entropy, nats per token", "熵，奈特/词元"),
    "chart.value_loss": ("Value loss", "价值损失"),
    "chart.clip": ("Share of clipped updates", "被裁剪的更新占比"),
    "chart.length": ("Length of answers, tokens", "回答长度，词元"),
    "chart.nothing": ("not recorded in this run", "本次运行没有记录"),
    "mark.chance": ("chance", "随机水平"),
    "line.train": ("training", "训练"),
    "line.validation": ("validation", "验证"),
    "line.lr": ("learning rate", "学习率"),
    "line.grad_norm": ("norm", "范数"),
    "line.score": ("score", "分数"),
    "line.gold": ("gold", "标准奖励"),
    "line.kl": ("KL", "KL"),
    "line.entropy": ("entropy", "熵"),
    "line.value_loss": ("value loss", "价值损失"),
    "line.clip_fraction": ("clipped", "裁剪"),
    "line.tokens": ("tokens", "词元"),
    "read.wait": ("The first curves appear after a few steps.", "再过几步就会有曲线。"),
    "read.loss_falls": (
        "The loss fell from {first} to {last} and is still falling: the model is learning.",
        "损失从 {first} 降到 {last}，并仍在下降：模型正在学习。",
    ),
    "read.loss_settled": (
        "The loss fell from {first} to {last}; since about step {step} it has hardly changed.",
        "损失从 {first} 降到 {last}；大约从第 {step} 步起几乎不再变化。",
    ),
    "read.loss_flat": (
        "The loss has not fallen: it started at {first} and is now {last}.",
        "损失没有下降：开始时为 {first}，现在为 {last}。",
    ),
    "read.loss_rises": (
        "The loss rises, from {first} to {last}: the learning rate is probably too high.",
        "损失从 {first} 升到 {last}：学习率可能太高。",
    ),
    "read.overfit": (
        "The validation loss rose again, from {best} to {last}: the model is beginning to overfit.",
        "验证损失又从 {best} 升到 {last}：开始过拟合了。",
    ),
    "read.generalises": (
        "The validation loss is at its best, {last}: the model also improves on new prompts.",
        "验证损失处于最低点 {last}：模型在新提示词上同样有进步。",
    ),
    "read.zero_grad": (
        "The gradient is zero: the model learns nothing. Cancel the run and check the precision and the LoRA rank.",
        "梯度为零：模型什么也没学到。请取消运行，并检查精度与 LoRA 秩。",
    ),
    "read.accuracy_good": (
        "It picks the preferred answer {percent} % of the time (guessing gives 50 %).",
        "它有 {percent} % 的时候选中了更好的回答（随机猜测为 50 %）。",
    ),
    "read.accuracy_chance": (
        "It picks the preferred answer {percent} % of the time: hardly better than guessing.",
        "它只有 {percent} % 的时候选中更好的回答：比随机猜测好不了多少。",
    ),
    "read.margin": (
        "The margin between good and bad answers went from {first} to {last}.",
        "好坏回答之间的分差从 {first} 变为 {last}。",
    ),
    "read.score_up": (
        "The reward model's score rises: {first} → {last}.",
        "奖励模型的分数在上升：{first} → {last}。",
    ),
    "read.score_flat": (
        "The reward model's score has not risen yet: {first} → {last}.",
        "奖励模型的分数还没有上升：{first} → {last}。",
    ),
    "read.gold_is_reward": (
        "This run trains directly on the gold reward, which shows the upper limit: {first} → {last}.",
        "这次运行直接用标准奖励训练，看看上限在哪里：{first} → {last}。",
    ),
    "read.gold_up": (
        "The gold reward, which is hidden from training, rises too: {first} → {last}.",
        "训练时看不到的标准奖励也在上升：{first} → {last}。",
    ),
    "read.gold_flat": (
        "The gold reward has not risen: {first} → {last}.",
        "标准奖励没有上升：{first} → {last}。",
    ),
    "read.overoptimised": (
        "The score rises while the gold reward falls ({first} → {last}): the policy exploits its reward model. "
        "Stop earlier or raise the KL weight.",
        "分数上升而标准奖励下降（{first} → {last}）：策略在钻奖励模型的空子。请提早停止或加大 KL 权重。",
    ),
    "read.kl_fine": (
        "The policy stays close to SFT: {kl} nats per token (goal: below {goal}).",
        "策略与 SFT 保持接近：每词元 {kl} 奈特（目标：低于 {goal}）。",
    ),
    "read.kl_far": (
        "The policy has moved far from SFT: {kl} nats per token (goal: below {goal}). Raise the KL weight or train "
        "for fewer steps.",
        "策略离 SFT 太远：每词元 {kl} 奈特（目标：低于 {goal}）。请加大 KL 权重或减少步数。",
    ),
    "read.entropy": (
        "The entropy has collapsed: the answers become alike.",
        "熵已塌缩：回答变得千篇一律。",
    ),
    "read.clip": (
        "{percent} % of the updates are clipped: they are too large. Lower the learning rate.",
        "{percent} % 的更新被裁剪：更新幅度太大，请降低学习率。",
    ),
    "intro.sft": (
        "Supervised fine-tuning: the base model learns to imitate the chosen answers. All later stages start from it.",
        "监督微调：让基座模型模仿优选回答。后面各步都以它为起点。",
    ),
    "intro.reward": (
        "A reward model learns to score the chosen answer above the rejected one. Train one each in bf16, int8 and "
        "int4 to see what quantisation costs.",
        "奖励模型学习给优选回答打更高的分。分别用 bf16、int8、int4 训练，看看量化的代价。",
    ),
    "intro.ppo": (
        "In PPO, the policy (at first a copy of the SFT model) answers prompts, a reward model scores the answers, and "
        "training raises the scores. A KL penalty keeps the policy close to SFT.",
        "在 PPO 中，策略（最初是 SFT 模型的副本）回答提示词，奖励模型打分，训练使分数升高；KL 惩罚防止策略偏离 SFT 太远。",
    ),
    "calibration.title": ("Calibration: is their confidence justified?", "校准：模型的把握可信吗？"),
    "calibration.ideal": ("ideal", "理想"),
    "calibration.confidence": ("Confidence in the choice", "模型对自己选择的把握"),
    "calibration.accuracy": ("Share of correct choices", "实际选对的比例"),
    "calibration.pairs": ("Pairs", "对数"),
    "calibration.hover": (
        "confidence %{{x:.0%}}, correct %{{y:.1%}}, %{{customdata}} pairs",
        "把握 %{{x:.0%}}，选对 %{{y:.1%}}，%{{customdata}} 对",
    ),
    "calibration.good": (
        "All reward models are well calibrated: confidence and accuracy differ by {points} points or less on "
        "average (ECE).",
        "所有奖励模型都校准良好：把握与实际选对的比例平均相差不超过 {points} 个百分点（ECE）。",
    ),
    "calibration.over": (
        "The {name} model is over-confident: its accuracy is below its confidence; they differ by {points} points on "
        "average (ECE).",
        "{name} 模型过于自信：实际选对的比例低于它的把握，平均相差 {points} 个百分点（ECE）。",
    ),
    "calibration.under": (
        "The {name} model is under-confident: its accuracy is above its confidence; they differ by {points} points "
        "on average (ECE).",
        "{name} 模型信心不足：实际选对的比例高于它的把握，平均相差 {points} 个百分点（ECE）。",
    ),
    "calibration.note": (
        "Calibration affects the size of the reward, not which answer the model prefers.",
        "这只影响奖励的大小，不影响它偏好哪个回答。",
    ),
}
