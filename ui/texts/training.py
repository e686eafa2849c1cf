# ruff: noqa: E501  (a table of prose reads best with one text a line)
"""The texts that the training tabs share: forms, runs, charts and their readings, calibration.

`TRAINING[key] = (English, 简体中文)`.
"""

TRAINING: dict[str, tuple[str, str]] = {
    "form.more": ("More settings", "更多设置"),
    "form.newest": ("the newest", "最新的"),
    "form.memory": (
        "Needs about {need} of memory above the imports; {there} are free.",
        "除程序自身外约需 {need} 内存；目前可用 {there}。",
    ),
    "form.command": ("The same on the command line", "等价的命令行"),
    "precision.one": (
        "The frozen base's number format; int4 is QLoRA.",
        "冻结基座的数值格式；int4 即 QLoRA。",
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
    "start.done": (
        "Added to the queue: {count}. You can close the page; training continues.",
        "已加入队列：{count}。可以关闭页面，训练会继续。",
    ),
    "run.none": (
        "Nothing here yet. Press the button on the left, and the curves will appear here.",
        "这里还什么都没有。按下开始按钮，曲线就会出现在这里。",
    ),
    "run.newest": ("the newest", "最新的"),
    "run.shown": ("Run", "运行"),
    "run.cancel": ("Cancel", "取消"),
    "run.resume": ("Resume", "继续"),
    "run.step": ("step {step} of {total}", "第 {step} / {total} 步"),
    "run.left": ("{time} left", "剩余 {time}"),
    "run.took": ("took {time}", "用时 {time}"),
    "run.starting": ("starting …", "启动中……"),
    "run.silent": (
        "No sign of life for {time}. If this continues, cancel and resume.",
        "已有 {time} 没有动静。如果一直这样，可以先取消再继续。",
    ),
    "samples.title": ("Answers as training goes on, newest first", "训练过程中的回答，最新的在前"),
    "samples.step": ("Step", "步"),
    "samples.prompt": ("Prompt", "提示词"),
    "samples.answer": ("Answer", "回答"),
    "samples.score": ("Score", "分数"),
    "verdict.pass": ("met", "达到"),
    "verdict.fail": ("missed", "未达到"),
    "verdict.none": ("not measured", "未测量"),
    "chart.loss": ("Loss", "损失"),
    "chart.token_accuracy": ("Accuracy of the next token", "下一词元正确率"),
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
        "The loss fell from {first} to {last}: it is learning.",
        "损失从 {first} 降到 {last}：正在学习。",
    ),
    "read.loss_flat": (
        "The loss stays near {last} (it started at {first}).",
        "损失停在 {last} 附近（开始时为 {first}）。",
    ),
    "read.overfit": (
        "The validation loss rose again, from {best} to {last}: the model is beginning to overfit.",
        "验证损失又从 {best} 升到 {last}：开始过拟合了。",
    ),
    "read.generalises": (
        "The validation loss is at its best, {last}: the model also improves on new prompts.",
        "验证损失处于最好水平 {last}：模型在新提示词上同样有进步。",
    ),
    "read.zero_grad": (
        "The gradient is zero: nothing is being learned. Cancel, and check the precision and the LoRA rank.",
        "梯度为零：什么也没学到。请取消，并检查精度与 LoRA 秩。",
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
        "The gap between good and bad answers went from {first} to {last}.",
        "好坏回答之间的分差从 {first} 变为 {last}。",
    ),
    "read.score_up": (
        "The reward model likes the answers more: {first} → {last}.",
        "奖励模型越来越喜欢这些回答：{first} → {last}。",
    ),
    "read.score_flat": (
        "The reward model's score has not risen yet: {first} → {last}.",
        "奖励模型的分数还没有上升：{first} → {last}。",
    ),
    "read.gold_is_reward": (
        "This run trains on the gold reward itself, to show how much is possible: {first} → {last}.",
        "直接用标准奖励训练，看看上限在哪里：{first} → {last}。",
    ),
    "read.gold_up": (
        "The gold reward, which training never sees, rises too: {first} → {last}.",
        "训练时看不到的标准奖励也在上升：{first} → {last}。",
    ),
    "read.gold_flat": (
        "The gold reward has not risen: {first} → {last}.",
        "标准奖励没有上升：{first} → {last}。",
    ),
    "read.overoptimised": (
        "The score rises while gold falls ({first} → {last}): the policy has begun to fool its reward "
        "model. Stop earlier or raise the KL weight.",
        "分数上升而标准奖励下降（{first} → {last}）：策略开始钻奖励模型的空子。请提早停止或加大 KL 权重。",
    ),
    "read.kl_fine": (
        "It stays close to SFT: {kl} nats per token (the goal is below {goal}).",
        "与 SFT 保持接近：每词元 {kl} 奈特（目标是低于 {goal}）。",
    ),
    "read.kl_far": (
        "It has moved far from SFT: {kl} nats per token; the goal is below {goal}. Raise the KL weight or train "
        "for fewer steps.",
        "离 SFT 太远：每词元 {kl} 奈特，目标是低于 {goal}。请加大 KL 权重或减少步数。",
    ),
    "read.entropy": (
        "The entropy has collapsed: the answers are becoming alike.",
        "熵已塌缩：回答变得千篇一律。",
    ),
    "read.clip": (
        "{percent} % of the updates are clipped: the steps are too large; lower the learning rate.",
        "{percent} % 的更新被裁剪：步子太大，请降低学习率。",
    ),
    "intro.sft": (
        "Supervised fine-tuning: the base learns to answer like the chosen answers. All later stages start from it.",
        "监督微调：让基座学会像优选回答那样作答。后面的各步都以此为起点。",
    ),
    "intro.reward": (
        "A reward model learns to tell the chosen answer from the rejected one. Train it in bf16, int8 and int4 "
        "to see what quantising costs.",
        "奖励模型学习分辨优选与被拒的回答。分别用 bf16、int8、int4 训练，看看量化的代价。",
    ),
    "intro.ppo": (
        "PPO lets the SFT model answer, a reward model scores the answers, and training moves the policy towards "
        "better scores. A KL penalty keeps it close to SFT.",
        "PPO 让 SFT 模型作答，由奖励模型打分，再把策略推向更高的分数；KL 惩罚使它不会偏离 SFT 太远。",
    ),
    "calibration.title": ("Can their confidence be trusted?", "它们的把握可信吗？"),
    "calibration.ideal": ("ideal", "理想"),
    "calibration.confidence": ("How sure the model is of its choice", "模型对自己的选择有多大把握"),
    "calibration.accuracy": ("How often it is right", "实际选对的比例"),
    "calibration.pairs": ("Pairs", "对数"),
    "calibration.hover": (
        "confidence %{{x:.0%}}, correct %{{y:.1%}}, %{{customdata}} pairs",
        "把握 %{{x:.0%}}，选对 %{{y:.1%}}，%{{customdata}} 对",
    ),
    "calibration.good": (
        "All of them are well calibrated: confidence and accuracy differ by {points} points or less on average "
        "(ECE).",
        "它们都有自知之明：把握与实际选对的比例平均相差不超过 {points} 个百分点（ECE）。",
    ),
    "calibration.over": (
        "The {name} model is over-confident: its accuracy is below its confidence; they differ by {points} points on "
        "average (ECE).",
        "{name} 模型过于自信：实际选对的比例低于它的把握，平均相差 {points} 个百分点（ECE）。",
    ),
    "calibration.under": (
        "The {name} model is under-confident: its accuracy is above its confidence; they differ by {points} points "
        "on average (ECE).",
        "{name} 模型过于谦虚：实际选对的比例高于它的把握，平均相差 {points} 个百分点（ECE）。",
    ),
    "calibration.note": (
        "This affects the size of the reward, not which answer the model prefers.",
        "这只影响奖励的大小，不影响它偏好哪个回答。",
    ),
}
