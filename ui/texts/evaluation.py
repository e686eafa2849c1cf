# ruff: noqa: E501  (a table of prose reads best with one text a line)
"""The texts of the Evaluation tab.

`EVALUATION[key] = (English, 简体中文)`.
"""

EVALUATION: dict[str, tuple[str, str]] = {
    "intro.evaluation": (
        "All policies answer the same held-out prompts. The tables show the scores of their reward models, the gold "
        "reward, and their distance from SFT.",
        "所有策略回答同一批留出的提示词。下表列出各自奖励模型的打分、标准奖励，以及与 SFT 的距离。",
    ),
    "evaluate.settings": ("Settings", "设置"),
    "evaluate.none": (
        "No evaluation yet. Train the policies, then press “Evaluate”: the tables and charts appear here.",
        "还没有评测。先训练策略，再按“开始评测”，表格和图表会显示在这里。",
    ),
    "evaluate.verdict": ("What this shows", "结论"),
    "evaluate.only_sft": ("Only the SFT model has been evaluated.", "目前只评测了 SFT 模型。"),
    "evaluate.all_better": (
        "PPO improved on SFT with every reward model ({policies}): each win rate is above 50 % with its whole 95 % "
        "interval.",
        "无论用哪个奖励模型，PPO 都优于 SFT（{policies}）：每个胜率的 95 % 区间都在 50 % 以上。",
    ),
    "evaluate.some_better": (
        "PPO clearly improved on SFT for {policies}; for the others the 95 % interval of the win rate includes 50 %.",
        "{policies} 明显优于 SFT；其余策略胜率的 95 % 区间包含 50 %。",
    ),
    "evaluate.none_better": (
        "No policy is clearly better than SFT: the 95 % interval of each win rate includes 50 % or is below it.",
        "没有策略明显优于 SFT：每个胜率的 95 % 区间都包含 50 % 或低于 50 %。",
    ),
    "evaluate.by_own_scores": (
        "The scores are those of the reward models that PPO was trained against.",
        "这里的评分来自 PPO 训练时所用的奖励模型。",
    ),
    "evaluate.differ": (
        "Between the precisions, {high} has a higher gold reward than {low}; their 95 % intervals do not overlap.",
        "在不同精度之间，{high} 的标准奖励高于 {low}，两者的 95 % 区间不重叠。",
    ),
    "evaluate.no_difference": (
        "Between the precisions no difference is visible: the 95 % intervals of the gold reward overlap. That does not "
        "prove that they are equal.",
        "不同精度之间看不出差别：标准奖励的 95 % 区间互相重叠。但这并不能证明它们相等。",
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
    "evaluate.wanted": ("Target", "要求"),
    "target.reward_gain_over_SFT": ("Reward gain over SFT (sd)", "相对 SFT 的奖励增益（标准差）"),
    "target.KL_to_SFT": ("KL to SFT, nats per token", "与 SFT 的 KL，奈特/词元"),
    "target.training_time": ("Training time, minutes", "训练时间，分钟"),
    "target.peak_GPU_memory": ("Peak GPU memory, GB", "显存峰值，GB"),
    "evaluate.scorers": ("Each policy, scored by each reward model", "每个奖励模型对每个策略的评分"),
    "evaluate.scorers_note": (
        "Gain over SFT in standard deviations of SFT's scores; the gold gain in its own unit. A policy that scores "
        "high only with its own reward model has learned to exploit that model.",
        "相对 SFT 的增益，以 SFT 分数的标准差计；标准奖励用自己的单位。只在自己的奖励模型上得分高的策略，学会的只是讨好那个模型。",
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
    "evaluate.seed": ("Reference values and results on this machine", "参考数据与本机实测"),
    "evaluate.seed_note": (
        "The reference values are for distilgpt2 on an 8 GB GPU; their reward is the raw score. The values measured "
        "here are gains in standard deviations, with another model and machine. The scales differ, so do not compare "
        "them directly.",
        "参考值来自 8 GB 显卡上的 distilgpt2，奖励为原始分数；本机数值是以标准差计的增益，模型和机器都不同。两者尺度不同，不能直接比较。",
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
}
