# ruff: noqa: E501  (a table of prose reads best with one text a line)
"""The texts of the Start tab, and the explanations of the terms.

`START[key] = (English, 简体中文)`.
"""

START: dict[str, tuple[str, str]] = {
    "home.what": (
        "This page trains a small language model with RLHF, step by step, on this computer. Then you chat with four "
        "versions of the model without knowing which is which, and your votes show whether the training helped.",
        "这个页面在你的电脑上用 RLHF 一步一步训练一个小语言模型。然后你与它的四个版本匿名对话，用投票来判断训练是否有用。",
    ),
    "home.chat_title": ("Chat with four models now", "马上与四个模型对话"),
    "home.chat_text": (
        "Four trained models are included. Ask one question, compare four answers, vote, and see who was who. No "
        "training needed.",
        "自带四个训练好的模型。提一个问题，比较四个回答，投票，然后揭晓谁是谁。无需训练。",
    ),
    "home.chat": ("Open the arena", "进入竞技场"),
    "home.train_title": ("Train your own", "训练自己的模型"),
    "home.train_text": (
        "One click runs all steps in order; you can watch the curves or close the page. “tiny” needs neither a network "
        "nor a GPU. “small” trains SmolLM2 on real preference data, which it downloads once.",
        "一键按顺序运行所有步骤；可以观察曲线，也可以关闭页面。“tiny”不需要网络和显卡；“small”用真实的偏好数据训练 SmolLM2，数据只需下载一次。",
    ),
    "home.train.tiny": ("tiny: about 20 minutes", "tiny：约 20 分钟"),
    "home.train.small": ("small: about 75 minutes", "small：约 75 分钟"),
    "home.train_note": (
        "Times are for two CPU cores. Each step can also be started on its own, with your settings, in its tab.",
        "时间按两个 CPU 核计。每一步也可以在各自的标签页中用自己的设置单独启动。",
    ),
    "home.train_complete": (
        "Everything is already trained with this preset. Change a setting in a tab to train again.",
        "这个预设已全部训练完成。要重新训练，请在标签页中修改设置。",
    ),
    "home.finished": ("All steps are done.", "所有步骤都已完成。"),
    "home.see_comparison": ("See the comparison", "查看比较结果"),
    "home.chat_with_yours": ("Chat with your four models", "与你的四个模型对话"),
    "home.cancel": ("Cancel all", "全部取消"),
    "home.picture": ("The pipeline", "训练流程"),
    "home.step.prepare": ("Pairs of a better and a worse answer", "成对的回答：一个更好，一个更差"),
    "home.step.sft": ("The model learns to answer", "模型学会作答"),
    "home.step.reward": ("Three judges learn what people prefer", "三个打分模型学习人的偏好"),
    "home.step.ppo": ("The model practises for a high score", "模型为高分而练习"),
    "home.step.judge": (
        "A judge learns from pairs that no other model saw",
        "评判模型从其他模型没见过的数据中学习",
    ),
    "home.step.evaluate": ("Figures on unseen prompts", "在新提示词上测量"),
    "home.step.arena": ("You vote, blind", "由你盲评投票"),
    "home.rlhf_title": ("What is RLHF?", "什么是 RLHF？"),
    "home.rlhf": (
        "A language model first learns to continue text. It does not know which of two answers a person would rather "
        "read.\nReinforcement learning from human feedback (RLHF) teaches it that in three steps. First, SFT shows the "
        "model good answers to imitate.\nSecond, people compare pairs of answers, and a reward model learns to predict "
        "which one they prefer. It gives each answer a score.\nThird, PPO lets the model answer thousands of prompts. "
        "Answers with a high score become more likely. A penalty, KL, keeps the model close to where it started, because "
        "a model that only chases the score finds tricks that the reward model likes and people do not.\nThe question "
        "of this playground: does the reward model still work with weights of 8 or 4 bits instead of 16? You train one "
        "policy per precision, measure all of them, and judge them yourself.",
        "语言模型最初只会续写文本，并不知道人更愿意读到哪种回答。\n基于人类反馈的强化学习（RLHF）分三步教会它。第一步 SFT：让模型模仿好的回答。\n第二步：人们比较成对的回答，奖励模型学习预测人更喜欢哪一个，并给每个回答打分。\n第三步 PPO：让模型回答成千上万个提示词，得分高的回答变得更容易出现。KL 惩罚使模型不会离起点太远，因为只追求分数的模型会找到奖励模型喜欢、人却不喜欢的取巧办法。\n本实验的问题是：把奖励模型的权重从 16 位降到 8 位或 4 位，它还可靠吗？你为每种精度训练一个策略，测量它们，再亲自评判。",
    ),
    "home.drawing": (
        "A loop: the model answers a prompt, the reward model scores the answer, PPO changes the model.",
        "一个循环：模型回答提示词，奖励模型打分，PPO 更新模型。",
    ),
    "draw.prompt": ("prompt", "提示词"),
    "draw.model": ("model (policy)", "模型（策略）"),
    "draw.answer": ("answer", "回答"),
    "draw.reward": ("reward model", "奖励模型"),
    "draw.score": ("score", "分数"),
    "draw.people": ("people compare answers", "人比较回答"),
    "draw.update": ("PPO: better answers become more likely", "PPO：更好的回答更容易出现"),
    "draw.kl": ("KL: stay close to SFT", "KL：不离 SFT 太远"),
    "term.rlhf": (
        "Reinforcement learning from human feedback: training a model with people's preferences between answers.",
        "基于人类反馈的强化学习：用人对回答的偏好来训练模型。",
    ),
    "term.sft": (
        "Supervised fine-tuning: the model imitates given good answers.",
        "监督微调：模型模仿给定的好回答。",
    ),
    "term.reward_model": (
        "A model that reads a prompt and an answer and returns a score: how much people would like the answer.",
        "读入提示词和回答并给出分数的模型：人会有多喜欢这个回答。",
    ),
    "term.ppo": (
        "Proximal policy optimisation: answer, get a score, make good answers slightly more likely, repeat.",
        "近端策略优化：作答、得分，让好的回答更容易出现一点，如此反复。",
    ),
    "term.policy": ("A model that answers, seen as what PPO trains.", "作答的模型，也就是 PPO 训练的对象。"),
    "term.kl": (
        "Kullback-Leibler divergence: how far the answers of the trained model are from those of the SFT model.",
        "KL 散度：训练后的模型与 SFT 模型的回答相差多远。",
    ),
    "term.gold": (
        "A score between 0 and 1 that the tiny world's own rules give an answer. Training never sees it.",
        "微型世界用自己的规则给回答打的分，在 0 到 1 之间；训练看不到它。",
    ),
    "term.pair": (
        "A prompt with two answers, of which people prefer one.",
        "一个提示词和两个回答，其中一个更受人喜欢。",
    ),
    "term.bits": (
        "Number formats with 16, 8 and 4 bits per weight: fewer bits need less memory and are less exact.",
        "每个权重用 16、8、4 位的数值格式：位数越少越省内存，也越不精确。",
    ),
    "term.tiny_world": (
        "A generator of short English dialogues, included here; a program can check the quality of each answer.",
        "自带的英文短对话生成器；程序可以检查每个回答的质量。",
    ),
}
