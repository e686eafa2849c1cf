# ruff: noqa: E501  (a table of prose reads best with one text a line)
"""What the page says about errors, in English and 简体中文: what to do about each code of `data.errors.Code`.

The advice speaks of the page's tabs and buttons; what the command line says is in `pipeline.commands.advice`.
"""

ERRORS: dict[str, tuple[str, str]] = {
    "error.lost": (
        "The process of this run ended without a message: it was killed, ran out of memory, or the machine shut "
        "down.",
        "这次运行的进程意外中止：被终止、内存耗尽，或机器断电。",
    ),
    "error.not_started": (
        "This run never started, because its queue no longer exists.",
        "这次运行从未启动：所在的队列已不存在。",
    ),
    "error.option": ("The command cannot be used.", "命令无法使用。"),
    "error.setting": ("A setting has a value that cannot be used.", "有一个设置的值无法使用。"),
    "error.name": ("This name cannot be used.", "这个名称无法使用。"),
    "error.file": ("The file cannot be used.", "文件无法使用。"),
    "error.source": ("This source of data cannot be used.", "这个数据来源无法使用。"),
    "error.dataset": ("There is no data set for this step yet.", "还没有这一步所需的数据集。"),
    "error.hub": ("The Hugging Face hub could not deliver the files.", "无法从 Hugging Face hub 获取文件。"),
    "error.parent": ("An earlier step has not been run yet.", "前面的步骤还没有运行。"),
    "error.parent_run": ("The chosen parent run does not fit.", "所选的上游运行不合适。"),
    "error.run": ("This run does not exist.", "没有这次运行。"),
    "error.state": ("The state of the run does not allow this.", "运行的当前状态不允许这样做。"),
    "error.busy": ("Another run is using this workspace.", "另一个运行正在使用这个工作区。"),
    "error.cancelled": ("This run was cancelled.", "这次运行已被取消。"),
    "error.does_not_fit": ("The memory is not sufficient for these settings.", "内存不足以使用这些设置。"),
    "error.out_of_memory": ("The memory ran out.", "内存已耗尽。"),
    "error.disk_full": ("The disk is full.", "磁盘已满。"),
    "error.unstable": ("The training became unstable.", "训练变得不稳定。"),
    "error.checkpoint": ("The checkpoint does not belong to these settings.", "检查点与这些设置不符。"),
    "error.unexpected": ("The run ended with an unexpected error.", "运行因意外错误而结束。"),
    "error.base": ("The base model cannot be used.", "基座模型无法使用。"),
    "error.model": ("A trained model of an earlier step cannot be used.", "前面步骤训练的模型无法使用。"),
    "error.package": ("A required Python package is not installed.", "缺少所需的 Python 软件包。"),
    "error.workspace": ("The workspace cannot be written to.", "工作区无法写入。"),
    "error.record": ("A file of the workspace cannot be read.", "工作区中有文件无法读取。"),
    "error.database": ("The database of the votes cannot be used.", "投票数据库无法使用。"),
    "error.details": ("Details", "详细信息"),
    "advice.option": (
        "Correct the command and start it again.",
        "请改正命令后重新启动。",
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
        "Press “Prepare the data” in the Data tab first. If there were too few rows, choose a higher row limit.",
        "请先在“数据”标签页按“准备数据”；如果数据太少，请提高行数上限。",
    ),
    "advice.hub": (
        "Check the network or a mirror (HF_ENDPOINT), or use files; the preset tiny needs no network.",
        "请检查网络或镜像（HF_ENDPOINT），或改用文件；tiny 预设不需要网络。",
    ),
    "advice.parent": (
        "Run the earlier steps first; the button “Run missing steps” runs them in order.",
        "请先完成前面的步骤；“补齐缺少的步骤”按钮会依次运行。",
    ),
    "advice.parent_run": (
        "Choose another parent run under “More settings”, or keep “the newest”.",
        "请在“更多设置”里选择其他上游运行，或保持“最新的”。",
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
        "Wait until the other run has ended, or press its Cancel button.",
        "请等另一个运行结束，或按它的“取消”按钮。",
    ),
    "advice.cancelled": (
        "Press Resume to continue from the last complete checkpoint.",
        "按“继续”，从最后一个完整的检查点接着训练。",
    ),
    "advice.lost": (
        "Press Resume to continue from the last complete checkpoint.",
        "按“继续”，从最后一个完整的检查点接着训练。",
    ),
    "advice.not_started": ("Press Resume to start this run.", "按“继续”即可开始。"),
    "advice.does_not_fit": (
        "Reduce the micro-batch or the length limit, turn on gradient checkpointing (More settings, Memory), or "
        "choose int4.",
        "建议：减小微批大小或长度上限，打开梯度检查点（更多设置 → 内存），或选择 int4。",
    ),
    "advice.out_of_memory": (
        "Halve the micro-batch or turn on gradient checkpointing (More settings, Memory), then start again.",
        "建议：把微批大小减半，或打开梯度检查点（更多设置 → 内存），然后重新开始。",
    ),
    "advice.disk_full": ("Free some disk space, then press Resume.", "请先腾出磁盘空间，再按“继续”。"),
    "advice.unstable": (
        "Halve the learning rate or clip the gradient at 0.5, then start again.",
        "建议：学习率减半，或把梯度裁剪到 0.5，然后重新开始。",
    ),
    "advice.checkpoint": (
        "Start a new run with the form; this run cannot continue with other settings.",
        "请用表单开始一次新的运行；这次运行无法用其他设置继续。",
    ),
    "advice.unexpected": (
        "Read the end of the log in the Runs tab; then change a setting and start again, or press Resume.",
        "请到“运行记录”查看日志末尾，然后改动设置重新开始，或按“继续”。",
    ),
    "advice.base": (
        "Choose another base model in the SFT tab (More settings).",
        "请在“SFT”标签页（更多设置）选择其他基座模型。",
    ),
    "advice.model": (
        "Train this model again in its tab.",
        "请在相应的标签页重新训练该模型。",
    ),
    "advice.package": (
        "Install the package in the app's environment, then restart the app.",
        "请在本应用的环境中安装该软件包，然后重新启动应用。",
    ),
    "advice.workspace": (
        "Make the workspace folder writable, then try again.",
        "请让工作区文件夹可写，然后重试。",
    ),
    "advice.record": (
        "Restore this file from a backup or delete it; the other runs are not affected.",
        "请从备份恢复这个文件，或将其删除；其他运行不受影响。",
    ),
    "advice.database": (
        "Correct the problem and try again; the stored votes are not affected.",
        "请解决该问题后重试；已保存的投票不受影响。",
    ),
    "advice.prompt": ("Change the text and ask again.", "请修改文字后重新提问。"),
    "advice.order": (
        "Name each answer once, as in B>A=D>C, or press “All bad”.",
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
        "Press “Run missing steps”, or train an SFT model and a PPO policy in their tabs.",
        "请按“补齐缺少的步骤”，或在相应的标签页训练 SFT 模型和 PPO 策略。",
    ),
    "advice.answering": ("Ask once more.", "请再问一次。"),
    "advice.wait": ("Ask again in a moment.", "请稍后再问。"),
}
