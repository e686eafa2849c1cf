# ruff: noqa: E501  (a table of prose reads best with one text a line)
"""Every text of the page in English and 简体中文, in one table; names of settings are in `ui.field_texts`,
what is said about errors in `ui.error_texts`.

`Texts("zh")("run.step", step=3, total=9)` gives the text in that language. An unknown key is an error: a test holds
that both languages are whole, have the same blanks, and that the page uses no key that is not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ui.error_texts import ERRORS
from ui.field_texts import FIELDS, GROUPS, UNITS

TABLE: dict[str, tuple[str, str]] = {
    "brand.line": (
        "Train a small model with RLHF, then judge it blind.",
        "用 RLHF 训练一个小模型，再盲评它。",
    ),
    "preset.label": ("Preset", "预设"),
    "preset.tiny": ("tiny · offline", "tiny · 离线"),
    "preset.small": ("small · SmolLM2", "small · SmolLM2"),
    "preset.edge": ("edge · distilgpt2", "edge · distilgpt2"),
    "tab.data": ("Data", "数据"),
    "tab.sft": ("SFT", "SFT"),
    "tab.reward": ("Reward models", "奖励模型"),
    "tab.ppo": ("PPO", "PPO"),
    "tab.arena": ("Arena", "竞技场"),
    "tab.evaluation": ("Evaluation", "评测"),
    "tab.runs": ("Runs", "运行记录"),
    # the bar
    "bar.prepare": ("Data", "数据"),
    "bar.sft": ("SFT", "SFT"),
    "bar.reward": ("RM", "RM"),
    "bar.ppo": ("PPO", "PPO"),
    "bar.evaluate": ("Evaluated", "已评测"),
    "bar.next": ("Next:", "下一步："),
    "bar.after": ("After this:", "接下来："),
    "bar.last": ("This is the last step.", "这是最后一步。"),
    "bar.next_first": (
        "Nothing trained here yet; the arena answers with shipped demo models. First step:",
        "这里还没有训练过；竞技场先由自带的演示模型作答。第一步：",
    ),
    "bar.waiting": ("{count} more waiting in the queue.", "队列中还有 {count} 个任务。"),
    "bar.complete": (
        "Everything is trained and evaluated. Ask the four models something in the arena.",
        "全部训练并评测完成。去竞技场问问这四个模型吧。",
    ),
    "bar.run_missing": ("Run what is missing", "补齐缺少的步骤"),
    "status.done": ("done", "完成"),
    "status.running": ("running", "运行中"),
    "status.queued": ("queued", "排队中"),
    "status.failed": ("failed", "失败"),
    "status.cancelled": ("cancelled", "已取消"),
    "status.lost": ("lost", "中断"),
    "status.stale": ("out of date", "已过期"),
    "status.missing": ("not done yet", "未进行"),
    "stage.prepare": ("Data", "数据准备"),
    "stage.pretrain": ("Pretraining", "预训练"),
    "stage.sft": ("SFT", "SFT"),
    "stage.reward": ("Reward model", "奖励模型"),
    "stage.ppo": ("PPO", "PPO"),
    "stage.evaluate": ("Evaluation", "评测"),
    "machine.cpu": ("CPU {percent} %", "CPU {percent} %"),
    "machine.ram": ("RAM {used} of {total} GB", "内存 {used} / {total} GB"),
    "machine.gpu": (
        "{name}: {used} of {total} GB, {percent} %",
        "{name}：显存 {used} / {total} GB，{percent} %",
    ),
    "machine.disk": (
        "The disk is nearly full: {free} MB left. Make room before you train.",
        "磁盘快满了：还剩 {free} MB。训练前请先腾出空间。",
    ),
    "machine.no_gpu": ("no GPU", "无显卡"),
    "time.seconds": ("{n} s", "{n} 秒"),
    "time.minutes": ("{n} min", "{n} 分钟"),
    "time.hours": ("{h} h {n} min", "{h} 小时 {n} 分"),
    # forms and runs
    "form.more": ("More settings", "更多设置"),
    "form.newest": ("the newest", "最新的"),
    "form.memory": (
        "Needs about {need} of memory above the imports; {there} are there.",
        "除导入外约需 {need} 内存；本机共有 {there}。",
    ),
    "form.command": ("The same from the command line", "等价的命令行"),
    "precision.one": (
        "The frozen base's number format; int4 is QLoRA.",
        "冻结基座的数值格式；int4 即 QLoRA。",
    ),
    "precision.reward": ("One reward model for each.", "每种精度各训练一个奖励模型。"),
    "precision.ppo": ("One policy against the reward model of each.", "对每种精度的奖励模型各训练一个策略。"),
    "start.prepare": ("Prepare the data", "准备数据"),
    "start.sft": ("Start SFT", "开始 SFT"),
    "start.reward": ("Train reward models", "训练奖励模型"),
    "start.ppo": ("Start PPO", "开始 PPO"),
    "start.evaluate": ("Evaluate", "开始评测"),
    "start.done": (
        "In the queue: {count}. You can close the page; training goes on.",
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
        "No sign of life for {time}. If this goes on, cancel and resume.",
        "已有 {time} 没有动静。如果持续下去，可以取消后再继续。",
    ),
    "samples.title": ("Answers as training goes on, newest first", "训练过程中的回答，最新的在前"),
    "samples.step": ("Step", "步"),
    "samples.prompt": ("Prompt", "提示词"),
    "samples.answer": ("Answer", "回答"),
    "samples.score": ("Score", "分数"),
    "verdict.pass": ("met", "达到"),
    "verdict.fail": ("missed", "未达到"),
    "verdict.none": ("not measured", "未测量"),
    # charts and their reading
    "chart.loss": ("Loss", "损失"),
    "chart.token_accuracy": ("Next token right", "下一词元正确率"),
    "chart.lr": ("Learning rate", "学习率"),
    "chart.grad_norm": ("Gradient norm", "梯度范数"),
    "chart.accuracy": ("Accuracy: prefers the chosen answer", "准确率：更偏好优选回答"),
    "chart.margin": ("Margin between chosen and rejected", "优选与被拒的分差"),
    "chart.reward": ("Reward model's score", "奖励模型的分数"),
    "chart.gold": ("Gold reward", "标准奖励"),
    "chart.kl": ("KL from SFT, nats an answer", "与 SFT 的 KL，奈特/条"),
    "chart.entropy": ("Entropy, nats a token", "熵，奈特/词元"),
    "chart.value_loss": ("Value loss", "价值损失"),
    "chart.clip": ("Share of clipped updates", "被裁剪的更新占比"),
    "chart.length": ("Length of answers, tokens", "回答长度，词元"),
    "chart.nothing": ("not logged in this run", "本次运行没有记录"),
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
    "read.wait": ("The first curves come after a few steps.", "再过几步就会有曲线。"),
    "read.loss_falls": (
        "The loss fell from {first} to {last}: it is learning.",
        "损失从 {first} 降到 {last}：正在学习。",
    ),
    "read.loss_flat": (
        "The loss stays near {last} (it began at {first}).",
        "损失停在 {last} 附近（开始时为 {first}）。",
    ),
    "read.overfit": (
        "The validation loss rose again, from {best} to {last}: it begins to learn by heart.",
        "验证损失又从 {best} 升到 {last}：开始死记硬背了。",
    ),
    "read.generalises": (
        "The validation loss is at its best, {last}: what it learns also holds for new prompts.",
        "验证损失处于最好水平 {last}：学到的东西对新提示词同样有效。",
    ),
    "read.zero_grad": (
        "The gradient is zero: nothing is being learnt. Cancel, and look at the precision and the LoRA rank.",
        "梯度为零：什么也没学到。请取消，并检查精度与 LoRA 秩。",
    ),
    "read.accuracy_good": (
        "It picks the preferred answer {percent} % of the time (50 % is guessing).",
        "它有 {percent} % 的时候选中了更好的回答（50 % 等于瞎猜）。",
    ),
    "read.accuracy_chance": (
        "It picks the preferred answer {percent} % of the time: hardly better than guessing.",
        "它只有 {percent} % 的时候选中更好的回答：比瞎猜强不了多少。",
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
        "Trained on the gold reward itself, to see how much is possible: {first} → {last}.",
        "直接用标准奖励训练，看看上限在哪里：{first} → {last}。",
    ),
    "read.gold_up": (
        "So does the gold reward, which it never sees: {first} → {last}.",
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
        "It stays close to SFT: {kl} nats a token (the goal is below {goal}).",
        "与 SFT 保持接近：每词元 {kl} 奈特（目标是低于 {goal}）。",
    ),
    "read.kl_far": (
        "It has moved far from SFT: {kl} nats a token, the goal is below {goal}. Raise the KL weight or train "
        "for fewer steps.",
        "离 SFT 太远：每词元 {kl} 奈特，目标是低于 {goal}。请加大 KL 权重或减少步数。",
    ),
    "read.entropy": (
        "The entropy has collapsed: answers are becoming all alike.",
        "熵已塌缩：回答变得千篇一律。",
    ),
    "read.clip": (
        "{percent} % of the updates are clipped: the steps are too large; lower the learning rate.",
        "{percent} % 的更新被裁剪：步子太大，请降低学习率。",
    ),
    # data
    "intro.data": (
        "Preference pairs: one prompt, the answer that was preferred and the one that was not. The tiny world "
        "makes its own; you can also bring a file or take a data set from the hub.",
        "偏好数据：一个提示词、一个更受偏好的回答和一个较差的回答。小世界自己生成数据；也可以上传文件，或使用 hub 上的数据集。",
    ),
    "data.source": ("Source", "来源"),
    "data.source.preset": ("the preset's", "预设自带"),
    "data.source.hub": ("Hugging Face hub", "Hugging Face hub"),
    "data.source.file": ("a file of mine", "我的文件"),
    "data.source.votes": ("votes from the arena", "竞技场投票"),
    "data.hub": ("Data set on the hub", "hub 上的数据集"),
    "data.hub_info": ("OWNER/NAME, with a folder behind it where needed", "作者/名称，必要时后面加上文件夹"),
    "data.upload": (
        "A .jsonl file: chosen and rejected transcripts, or prompt, chosen, rejected",
        ".jsonl 文件：chosen 与 rejected 完整对话，或 prompt、chosen、rejected",
    ),
    "data.upload_ok": ("{accepted} usable pairs in {lines} lines.", "{lines} 行中有 {accepted} 对可用。"),
    "data.upload_dropped": ("Left out: {what}.", "已略去：{what}。"),
    "data.choose": ("Data set", "数据集"),
    "data.none": (
        "No data set yet. Prepare one on the left; it takes a few seconds.",
        "还没有数据集。请先准备一个，只要几秒钟。",
    ),
    "data.train": ("training", "训练"),
    "data.validation": ("validation", "验证"),
    "data.test": ("test", "测试"),
    "data.judge": ("judge", "评判"),
    "data.split": ("Split", "划分"),
    "data.pair": ("Pair no.", "第几对"),
    "data.pairs": ("Pairs", "对数"),
    "data.prompts": ("Prompts", "提示词数"),
    "data.prompt": ("Prompt", "提示词"),
    "data.chosen": ("Chosen", "优选"),
    "data.rejected": ("Rejected", "被拒"),
    "data.from": ("Source {source}, licence {licence}.", "来源 {source}，许可 {licence}。"),
    "data.lengths": (
        "Median length in characters: prompt {prompt}, chosen {chosen}, rejected {rejected}.",
        "长度中位数（字符）：提示词 {prompt}，优选 {chosen}，被拒 {rejected}。",
    ),
    "data.leak_ok": ("No prompt is in two splits.", "没有提示词同时出现在两个划分中。"),
    "data.leak_bad": (
        "Some prompts are in two splits: test figures would be too good.",
        "有提示词同时出现在两个划分中：测试结果会偏高。",
    ),
    "data.dropped": ("Left out: {what}.", "已略去：{what}。"),
    "data.gold": (
        "Gold reward: chosen {chosen}, rejected {rejected}. Labels are noisy on purpose, so the order is "
        "sometimes wrong.",
        "标准奖励：优选 {chosen}，被拒 {rejected}。标签有意带噪声，所以顺序偶尔是反的。",
    ),
    "count.duplicates": ("duplicates", "重复"),
    "count.identical": ("pairs of two equal answers", "两个回答相同"),
    "count.empty": ("with an empty answer", "回答为空"),
    "count.overlap": ("prompts of another split", "与其他划分重复"),
    "count.left_out": ("over the row limit", "超出行数上限"),
    "count.too_long": ("too long", "过长"),
    "count.unusable": ("unusable", "不可用"),
    # training
    "intro.sft": (
        "Supervised fine-tuning: the base learns to answer like the chosen answers. Everything later starts here.",
        "监督微调：让基座学会像优选回答那样作答。后面的一切都从这里出发。",
    ),
    "intro.reward": (
        "A reward model learns to tell the chosen answer from the rejected one. Train it in bf16, int8 and int4 "
        "to see what quantising costs.",
        "奖励模型学习分辨优选与被拒的回答。分别用 bf16、int8、int4 训练，看看量化的代价。",
    ),
    "intro.ppo": (
        "PPO lets the SFT model answer, has a reward model score the answers, and moves towards better scores, on "
        "a leash of KL.",
        "PPO 让 SFT 模型作答，由奖励模型打分，再朝更高的分数移动，并用 KL 拴住它。",
    ),
    "calibration.title": ("Can their confidence be believed?", "它们的把握可信吗？"),
    "calibration.ideal": ("ideal", "理想"),
    "calibration.confidence": ("How sure the model is of its choice", "模型对自己的选择有多大把握"),
    "calibration.accuracy": ("How often it is right", "实际选对的比例"),
    "calibration.pairs": ("Pairs", "对数"),
    "calibration.hover": (
        "sure %{{x:.0%}}, right %{{y:.1%}}, %{{customdata}} pairs",
        "把握 %{{x:.0%}}，选对 %{{y:.1%}}，%{{customdata}} 对",
    ),
    "calibration.good": (
        "All of them know what they know: how sure they are and how often they are right differ by {points} "
        "points or less on average (ECE).",
        "它们都有自知之明：把握与实际选对的比例平均相差不超过 {points} 个百分点（ECE）。",
    ),
    "calibration.over": (
        "The {name} model is over-confident: it is right less often than it is sure, by {points} points on "
        "average (ECE).",
        "{name} 模型过于自信：实际选对的比例低于它的把握，平均相差 {points} 个百分点（ECE）。",
    ),
    "calibration.under": (
        "The {name} model is too modest: it is right more often than it is sure, by {points} points on "
        "average (ECE).",
        "{name} 模型过于谦虚：实际选对的比例高于它的把握，平均相差 {points} 个百分点（ECE）。",
    ),
    "calibration.note": (
        "This changes the size of the reward, not which answer it prefers.",
        "这只影响奖励的大小，不影响它偏好哪个回答。",
    ),
    # arena
    "intro.arena": (
        "The SFT model and three PPO policies, one for each reward model's precision, answer the same prompt. Who is who is "
        "shown after your vote.",
        "四个模型回答同一个提示词：SFT 模型，以及对三种精度奖励模型训练的 PPO 策略。投票之后才揭晓谁是谁。",
    ),
    "arena.prompt": ("Your prompt", "你的提示词"),
    "arena.placeholder": ("Ask something in English …", "用英文问点什么……"),
    "arena.can_title": ("What this small model can do", "这个小模型能做什么"),
    "arena.can": (
        "Everyday things in short English: facts, sums, steps, small talk. On anything else a good answer is an honest "
        "“I don't know”; a worse one bluffs. For a real base, choose the preset edge and train.",
        "用简短的英文谈日常事物：常识、算术、步骤、闲聊。遇到别的话题，好的回答会老实说不知道，差的会瞎编。想用真正的基座，请选择 edge 预设并训练。",
    ),
    "arena.ask": ("Ask all four", "问这四个模型"),
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
        "Taken back: this vote counts no more. Ask again for a new one.",
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
        "Gold, 0 to 1: what the tiny world's own rules say of the answer. No model was trained on it.",
        "标准奖励，0 到 1：小世界自己的规则对回答的评分，没有任何模型用它训练。",
    ),
    "policy.sft": ("fine-tuned only, no RLHF", "只做过微调，没有 RLHF"),
    "policy.ppo-bf16": ("PPO against the bf16 reward model", "对 bf16 奖励模型做 PPO"),
    "policy.ppo-int8": ("PPO against the int8 reward model", "对 int8 奖励模型做 PPO"),
    "policy.ppo-int4": ("PPO against the int4 reward model", "对 int4 奖励模型做 PPO"),
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
    "contrast.yes": (
        "{a} is not worse than {b} by more than {margin} points: yes, on {n} decisive rankings.",
        "{a} 不比 {b} 差 {margin} 个百分点以上：成立（{n} 次分出高下的排序）。",
    ),
    "contrast.no": (
        "{a} is not worse than {b} by more than {margin} points: no, on {n} decisive rankings it is worse.",
        "{a} 不比 {b} 差 {margin} 个百分点以上：不成立（{n} 次分出高下的排序表明它更差）。",
    ),
    "contrast.more": (
        "{a} is not worse than {b} by more than {margin} points: not known yet, about {more} more decisive rankings "
        "are needed.",
        "{a} 不比 {b} 差 {margin} 个百分点以上：尚无定论，大约还需要 {more} 次分出高下的排序。",
    ),
    "contrast.unlikely": (
        "{a} is not worse than {b} by more than {margin} points: not shown by {n} decisive rankings, and it does "
        "not look like it.",
        "{a} 不比 {b} 差 {margin} 个百分点以上：{n} 次分出高下的排序没有证明，看来也不像。",
    ),
    # evaluation
    "intro.evaluation": (
        "All policies on the same held-out prompts: what their reward models say, what the gold reward says, "
        "and how far they moved from SFT.",
        "所有策略回答同一批留出的提示词：各自奖励模型怎么看、标准奖励怎么看、离 SFT 有多远。",
    ),
    "evaluate.settings": ("Settings", "设置"),
    "evaluate.none": (
        "Not evaluated yet. Train the policies, then press Evaluate.",
        "还没有评测。先训练策略，再按“开始评测”。",
    ),
    "evaluate.title": ("Policies", "策略"),
    "evaluate.note": (
        "{n} held-out prompts. Gain: (policy − SFT) / sd of SFT, by the policy's own reward model.",
        "{n} 条留出的提示词。增益：（策略 − SFT）/ SFT 的标准差，由策略自己的奖励模型打分。",
    ),
    "evaluate.policy": ("Policy", "策略"),
    "evaluate.gold": ("Gold", "标准奖励"),
    "evaluate.gold_gain": ("Gold gain", "标准奖励增益"),
    "evaluate.score_gain": ("Score gain (sd)", "分数增益（标准差）"),
    "evaluate.win_rate": ("Beats SFT", "胜过 SFT"),
    "evaluate.kl_token": ("KL a token", "KL/词元"),
    "evaluate.kl_sequence": ("KL an answer", "KL/条"),
    "evaluate.length": ("Length", "长度"),
    "evaluate.refusals": ("Refuses harm", "拒绝有害请求"),
    "evaluate.kl_goal": ("goal", "目标"),
    "evaluate.goal": ("goal", "目标"),
    "evaluate.gold_bars": ("Gold reward", "标准奖励"),
    "evaluate.gain_bars": (
        "Gain by its own reward model, sd of SFT",
        "自己的奖励模型给出的增益（SFT 标准差）",
    ),
    "evaluate.gold_kl": ("Gold against distance from SFT", "标准奖励与离 SFT 的距离"),
    "evaluate.gain_kl": ("Score gain against distance from SFT", "分数增益与离 SFT 的距离"),
    "evaluate.targets": ("The goals", "目标达成"),
    "evaluate.target": ("Goal", "目标"),
    "evaluate.wanted": ("Wanted", "要求"),
    "target.reward_gain_over_SFT": ("Reward gain over SFT (sd)", "相对 SFT 的奖励增益（标准差）"),
    "target.KL_to_SFT": ("KL to SFT, nats a token", "与 SFT 的 KL，奈特/词元"),
    "target.training_time": ("Training time, minutes", "训练时间，分钟"),
    "target.peak_GPU_memory": ("Peak GPU memory, GB", "显存峰值，GB"),
    "evaluate.judges": ("Each policy in the eyes of each reward model", "每个奖励模型眼中的每个策略"),
    "evaluate.judges_note": (
        "Gain over SFT in sd of SFT's scores; gold in its own unit. A policy that only its own reward model "
        "likes has learnt to please it.",
        "相对 SFT 的增益，以 SFT 分数的标准差计；标准奖励用自己的单位。只被自己的奖励模型喜欢的策略，学会的是讨好。",
    ),
    "evaluate.seed": ("The reference table, and what was measured here", "参考数据与本机实测"),
    "evaluate.seed_note": (
        "The reference is distilgpt2 on an 8 GB GPU with a raw reward; here it is the gain in sd, on this "
        "machine and model. Read the columns side by side, not as one scale.",
        "参考值来自 8 GB 显卡上的 distilgpt2，为原始奖励；本机为以标准差计的增益，机器和模型都不同。请并排看，不要当作同一把尺子。",
    ),
    "evaluate.seed_reward": ("Reward", "奖励分数"),
    "evaluate.here": ("here", "本机"),
    "evaluate.time": ("Minutes", "分钟"),
    "evaluate.memory": ("GPU, GB", "显存 GB"),
    "evaluate.precision": ("Precision", "精度"),
    "evaluate.rewards": ("Reward models on test pairs", "奖励模型的测试结果"),
    "evaluate.rm": ("Reward model", "奖励模型"),
    "evaluate.accuracy": ("Accuracy (95 %)", "准确率（95 %）"),
    "evaluate.ceiling": ("Best reachable", "可达上限"),
    # runs
    "intro.runs": (
        "Everything that ever ran here. A run is one folder: settings, curves, log, checkpoints, model.",
        "在这里运行过的一切。每次运行就是一个文件夹：设置、曲线、日志、检查点、模型。",
    ),
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
        "Pick two or more runs: their curves appear in one chart, with only the settings that differ.",
        "选择两个以上的运行：曲线会画在一张图里，并只列出不同的设置。",
    ),
    "runs.metric": ("Curve", "曲线"),
    "runs.same": ("The same settings and results.", "设置与结果相同。"),
    "runs.differs": ("Differs in", "不同之处"),
    "runs.parents": ("Made from {what}.", "上游：{what}。"),
    "runs.memory": (
        "Peak memory {rss}, GPU {cuda}; adapter {adapter}.",
        "内存峰值 {rss}，显存 {cuda}；适配器 {adapter}。",
    ),
    "runs.machine": ("On {what}.", "机器：{what}。"),
    "runs.attempts": ("{count} attempts.", "共 {count} 次尝试。"),
    "result.eval_loss": ("validation loss", "验证损失"),
    "result.loss": ("loss", "损失"),
    "result.accuracy": ("accuracy", "准确率"),
    "result.gold_mean": ("gold", "标准奖励"),
    "result.score_gain": ("gain", "增益"),
    **ERRORS,
}


@dataclass(frozen=True)
class Texts:
    """The page's texts in one language, "en" or "zh"."""

    language: str

    def __call__(self, key: str, **blanks: Any) -> str:
        """The text of `key` with its blanks filled in. Raises KeyError for an unknown key."""
        return TABLE[key][self.language == "zh"].format(**blanks)

    def has(self, key: str) -> bool:
        return key in TABLE

    def advice(self, code: str) -> str:
        """What to do about an error of this code (`data.errors.Code`); "" where its message says it."""
        return self(f"advice.{code}") if self.has(f"advice.{code}") else ""

    def label_of(self, name: str) -> str:
        """The label of a setting."""
        return FIELDS[name][self.language == "zh"] if name in FIELDS else name

    def label(self, field: Any) -> str:
        """The label of a setting with its unit."""
        label = self.label_of(field.name)
        unit = UNITS.get(field.unit, field.unit) if self.language == "zh" else field.unit
        said = field.unit.rstrip("s") in FIELDS.get(field.name, (field.name,))[0].lower()
        return label if said else f"{label} ({unit})"

    def help(self, field: Any) -> str:
        """The help of a setting."""
        return FIELDS[field.name][2] if self.language == "zh" and field.name in FIELDS else field.help

    def group(self, name: str) -> str:
        """The name of a group of settings."""
        return GROUPS[name][self.language == "zh"] if name in GROUPS else name
