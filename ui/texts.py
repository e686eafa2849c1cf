# ruff: noqa: E501  (a table of prose reads best with one text a line)
"""Every text of the page in English and 简体中文, in one table; names of settings are in `ui.field_texts`,
what is said about errors in `ui.error_texts`.

`Texts("zh")("run.step", step=3, total=9)` gives the text in that language. An unknown key is an error: a test
holds that both languages are whole, have the same blanks, and that the page uses no key that is not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ui.arena_texts import ARENA
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
    # the login
    "login.username": ("Name", "用户名"),
    "login.password": ("Password", "密码"),
    "login.enter": ("Log in", "登录"),
    "login.leave": ("Log out", "退出登录"),
    "login.wrong": ("This name and password do not belong together.", "用户名与密码不匹配。"),
    # the bar
    "bar.prepare": ("Data", "数据"),
    "bar.sft": ("SFT", "SFT"),
    "bar.reward": ("RM", "RM"),
    "bar.ppo": ("PPO", "PPO"),
    "bar.judge": ("Judge", "评判"),
    "bar.evaluate": ("Evaluated", "已评测"),
    "bar.next": ("Next:", "下一步："),
    "bar.after": ("After this:", "接下来："),
    "bar.last": ("This is the last step.", "这是最后一步。"),
    "bar.next_first": (
        "Nothing is trained with this preset yet. First step:",
        "这个预设还没有训练过。第一步：",
    ),
    "bar.waiting": ("{count} more waiting in the queue.", "队列中还有 {count} 个任务。"),
    "bar.complete": (
        "Everything is trained and evaluated. Ask the four models something in the arena.",
        "训练与评测已全部完成。去竞技场问问这四个模型吧。",
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
    "stage.judge": ("Judge", "评判模型"),
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
    # charts and their reading
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
    # data
    "intro.data": (
        "A preference pair is a prompt with a preferred and a rejected answer. The tiny world generates its own "
        "pairs; you can also upload a file or use a data set from the hub.",
        "偏好数据：一个提示词、一个更受偏好的回答和一个较差的回答。小世界自己生成数据；也可以上传文件，或使用 hub 上的数据集。",
    ),
    "data.source": ("Source", "来源"),
    "data.source.preset": ("from the preset", "预设自带"),
    "data.source.hub": ("Hugging Face hub", "Hugging Face hub"),
    "data.source.file": ("my file", "我的文件"),
    "data.source.votes": ("votes from the arena", "竞技场投票"),
    "data.hub": ("Data set on the hub", "hub 上的数据集"),
    "data.hub_info": ("OWNER/NAME, followed by a folder if needed", "作者/名称，必要时后面加上文件夹"),
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
        "Some prompts are in two splits: test results would be too good.",
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
    # arena
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
        "No two policies can answer yet. Start the training with “Run what is missing”.",
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
        "HH-RLHF). It speaks English, gets facts wrong and, after PPO, often evades a question: do not rely on it.",
        "真实但很小的语言模型，用人类对“有用、无害”回答的偏好（Anthropic HH-RLHF）调整过。它只会英文，会说错事实，PPO 之后还常常回避问题，请勿依赖。",
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
        "标准奖励，0 到 1：小世界自己的规则对回答的评分，没有任何模型用它训练。",
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
    # evaluation
    "intro.evaluation": (
        "All policies answer the same held-out prompts. The tables show the scores of their reward models, the gold "
        "reward, and their distance from SFT.",
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
    "evaluate.kl_token": ("KL per token", "KL/词元"),
    "evaluate.kl_sequence": ("KL per answer", "KL/条"),
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
    "target.KL_to_SFT": ("KL to SFT, nats per token", "与 SFT 的 KL，奈特/词元"),
    "target.training_time": ("Training time, minutes", "训练时间，分钟"),
    "target.peak_GPU_memory": ("Peak GPU memory, GB", "显存峰值，GB"),
    "evaluate.scorers": ("Each policy, scored by each reward model", "每个奖励模型对每个策略的评分"),
    "evaluate.scorers_note": (
        "Gain over SFT in standard deviations of SFT's scores; gold in its own unit. A policy that scores high only "
        "with its own reward model has learned to please it.",
        "相对 SFT 的增益，以 SFT 分数的标准差计；标准奖励用自己的单位。只在自己的奖励模型上得分高的策略，学会的只是讨好它。",
    ),
    "judged.title": ("By the judge", "评判模型的结果"),
    "judged.note": (
        "The judge is a reward model that learned from pairs no other reward model saw. On test pairs it picks "
        "the preferred answer in {accuracy}. Gains are in standard deviations of SFT's scores; distinct counts "
        "different words and word pairs over all words; repetition is the share of answers in which four words "
        "in a row occur three times or more; cut is the share that reached the length limit.",
        "评判模型是一个奖励模型，只用其他奖励模型没见过的偏好对训练。在测试对上，它选中优选回答的比例为 {accuracy}。"
        "增益以 SFT 分数的标准差为单位；多样性是不同的词和词对占全部词的比例；重复是某四个连续的词出现三次及以上的"
        "回答占比；截断是达到长度上限的回答占比。",
    ),
    "judged.judge_gain": ("Judge's gain (sd)", "评判增益（标准差）"),
    "judged.win_rate": ("Beats SFT", "胜过 SFT"),
    "judged.distinct": ("Distinct 1 / 2", "多样性 1 / 2"),
    "judged.repetition": ("Repetition", "重复"),
    "judged.cut": ("Cut", "截断"),
    "judged.refusals": ("Refuses harm", "拒绝有害请求"),
    "judged.evasions": ("Evades harm", "回避有害请求"),
    "judged.steps": ("Over-optimisation: PPO by step", "过度优化：PPO 各步"),
    "judged.steps_note": (
        "Where the policy's own reward model goes on rising and the judge does not, PPO fits the reward "
        "model's errors. Step 0 is SFT; best is the judge's highest gain, within its interval.",
        "如果策略自己的奖励模型继续上升而评判模型不再上升，PPO 就是在迎合奖励模型的误差。第 0 步是 SFT；"
        "“最佳”是评判增益最高的一步，仍要看区间。",
    ),
    "judged.step": ("Step", "步"),
    "judged.interval": ("95 %", "95 % 区间"),
    "judged.own_gain": ("Own reward model (sd)", "自己的奖励模型（标准差）"),
    "judged.best": ("best", "最佳"),
    "evaluate.seed": ("The reference table, and the results here", "参考数据与本机实测"),
    "evaluate.seed_note": (
        "The reference is distilgpt2 on an 8 GB GPU with a raw reward. The results here are gains in standard "
        "deviations, on this machine and model. The two columns do not share a scale.",
        "参考值来自 8 GB 显卡上的 distilgpt2，为原始奖励；本机为以标准差计的增益，机器和模型都不同。两列的尺度不同，不能直接比较。",
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
        "All runs in this workspace. A run is one folder with settings, curves, log, checkpoints and model.",
        "这个工作区中的所有运行。每次运行就是一个文件夹：设置、曲线、日志、检查点、模型。",
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
        "Pick two or more runs. Their curves appear in one chart, with a table of the settings that differ.",
        "选择两个或更多运行：曲线会画在一张图里，并只列出不同的设置。",
    ),
    "runs.metric": ("Curve", "曲线"),
    "runs.same": ("The settings and results are the same.", "设置与结果相同。"),
    "runs.differs": ("Difference", "不同之处"),
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
    **ARENA,
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
