# ruff: noqa: E501  (a table of prose reads best with one text a line)
"""What the page says about errors, in English and 简体中文: what to do about each code of `data.errors.Code`.

The advice speaks of the page's tabs and buttons; what the command line says is in `pipeline.commands.advice`.
"""

ERRORS: dict[str, tuple[str, str]] = {
    "error.lost": (
        "Its process died: killed, or the machine ran out of memory or went down.",
        "它的进程已中止：被终止、内存耗尽，或机器断电。",
    ),
    "error.not_started": (
        "It never started: the queue it waited in is gone.",
        "它从未启动：所在的队列已不存在。",
    ),
    "advice.option": (
        "Correct the command that was typed and start it again.",
        "请改正所输入的命令后重新启动。",
    ),
    "advice.setting": (
        "Change this setting in the form and start again.",
        "请在表单中修改这个设置后重新开始。",
    ),
    "advice.name": ("Choose another name.", "请换一个名称。"),
    "advice.file": (
        "Correct the file and upload it again in the Data tab.",
        "请改正文件后，在“数据”标签页重新上传。",
    ),
    "advice.source": (
        "Choose another source in the Data tab, or one with more pairs.",
        "请在“数据”标签页选择其他来源，或选择对数更多的来源。",
    ),
    "advice.dataset": (
        "Press “Prepare the data” in the Data tab first; choose more rows where there were too few.",
        "请先在“数据”标签页按“准备数据”；如果数据太少，请选择更多行。",
    ),
    "advice.hub": (
        "Check the network or a mirror (HF_ENDPOINT), or use files; the preset tiny needs no network.",
        "请检查网络或镜像（HF_ENDPOINT），或改用文件；tiny 预设不需要网络。",
    ),
    "advice.parent": (
        "Run the earlier step first; the button “Run what is missing” does.",
        "请先完成上一步；“补齐缺少的步骤”按钮会依次进行。",
    ),
    "advice.parent_run": (
        "Choose another run for it under “More settings”, or leave it at “the newest”.",
        "请在“更多设置”里为它选择其他运行，或保持“最新的”。",
    ),
    "advice.run": (
        "Choose a run from the list in the Runs tab.",
        "请从“运行记录”标签页的列表中选择一次运行。",
    ),
    "advice.state": (
        "Look at its state in the Runs tab.",
        "请在“运行记录”标签页查看它的状态。",
    ),
    "advice.busy": (
        "Wait until it has ended, or press Cancel beside it.",
        "请等它结束，或按它旁边的“取消”。",
    ),
    "advice.cancelled": (
        "Press Resume: it goes on from the last complete checkpoint.",
        "按“继续”：会从最后一个完整的检查点接着训练。",
    ),
    "advice.lost": (
        "Press Resume: it goes on from the last complete checkpoint.",
        "按“继续”：会从最后一个完整的检查点接着训练。",
    ),
    "advice.not_started": ("Press Resume: it starts.", "按“继续”：它就会开始。"),
    "advice.does_not_fit": (
        "Try a smaller micro-batch or maximum length, turn gradient checkpointing on (More settings, Memory), or "
        "choose int4.",
        "建议：减小微批大小或最大长度，打开梯度检查点（更多设置 → 内存），或选择 int4。",
    ),
    "advice.out_of_memory": (
        "Try: halve the micro-batch, or turn gradient checkpointing on (More settings, Memory), and start again.",
        "建议：把微批大小减半，或打开梯度检查点（更多设置 → 内存），然后重新开始。",
    ),
    "advice.disk_full": ("Make room on the disk, then press Resume.", "请先腾出磁盘空间，再按“继续”。"),
    "advice.unstable": (
        "Try: halve the learning rate, or clip the gradient at 0.5, and start again.",
        "建议：学习率减半，或把梯度裁剪到 0.5，然后重新开始。",
    ),
    "advice.checkpoint": (
        "Start a new run with the form; this one cannot go on with other settings.",
        "请用表单开始一次新的运行；这次运行无法用其他设置继续。",
    ),
    "advice.unexpected": (
        "Read the end of the log in the Runs tab, change one setting and start again, or press Resume.",
        "请到“运行记录”查看日志末尾，改动一个设置后重新开始，或按“继续”。",
    ),
    "advice.base": (
        "Choose another base model in the SFT tab (More settings).",
        "请在“SFT”标签页（更多设置）选择其他基座模型。",
    ),
    "advice.model": (
        "Run the step that trains it again.",
        "请重新运行训练它的那一步。",
    ),
    "advice.package": (
        "Run this installation in a terminal, in the app's environment, and start the app again.",
        "请在终端中、在本应用的环境里执行该安装命令，然后重新启动应用。",
    ),
    "advice.workspace": (
        "Make the workspace folder writable, then try again.",
        "请让工作区文件夹可写，然后重试。",
    ),
    "advice.record": (
        "Restore this file from a backup or remove it; the other runs are not affected.",
        "请从备份恢复这个文件，或将其删除；其他运行不受影响。",
    ),
    "advice.database": (
        "Mend that and try again; the votes that are stored stay as they are.",
        "请解决该问题后重试；已保存的投票不受影响。",
    ),
    "advice.prompt": ("Change the text and ask again.", "请修改文字后重新提问。"),
    "advice.order": (
        "Name every answer once, as in B>A=D>C, or press “All bad”.",
        "请把每个回答各写一次，例如 B>A=D>C，或按“都不好”。",
    ),
    "advice.round": (
        "Ask something new, then vote on its answers.",
        "请重新提问，再对新的回答投票。",
    ),
    "advice.voted": (
        "Press “Take this vote back” first, then vote again.",
        "请先按“撤回这一票”，再重新投票。",
    ),
    "advice.no_votes": ("Vote in the Arena tab first.", "请先在“竞技场”标签页投票。"),
    "advice.policies": (
        "Press “Run what is missing”, or train an SFT model and a PPO policy in their tabs.",
        "请按“补齐缺少的步骤”，或在相应的标签页训练 SFT 模型和 PPO 策略。",
    ),
    "advice.answering": ("Ask once more.", "请再问一次。"),
    "advice.wait": ("Ask again in a moment.", "请稍后再问。"),
}
