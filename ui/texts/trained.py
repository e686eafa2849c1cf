# ruff: noqa: E501  (a table of prose reads best with one text a line)
"""The texts for using a trained model: a conversation with it, and its export.

`TRAINED[key] = (English, 简体中文)`.
"""

TRAINED: dict[str, tuple[str, str]] = {
    "trained.link": ("Chat with this model or export it", "与这个模型对话，或导出它"),
    "trained.link_export": ("Export this model", "导出这个模型"),
    "chat.title": ("Chat with this model", "与这个模型对话"),
    "chat.note": (
        "A conversation with this one model, under its own name. Nothing is stored and nothing counts as a vote; to "
        "compare models without bias, use the arena.",
        "只与这一个模型对话，不匿名。对话不会保存，也不计入投票；要不带偏见地比较模型，请用竞技场。",
    ),
    "chat.version": ("Saved model", "保存的模型"),
    "chat.last": ("end of the run", "运行结束时"),
    "chat.step": ("after step {step}", "第 {step} 步之后"),
    "chat.empty": (
        "Write a message; the answer appears here.",
        "写一条消息，回答会显示在这里。",
    ),
    "chat.message": ("Message", "消息"),
    "chat.placeholder": ("Write a message and press Enter", "写一条消息，按回车发送"),
    "chat.send": ("Send", "发送"),
    "chat.stop": ("Stop", "停止"),
    "chat.clear": ("New conversation", "新的对话"),
    "take.title": ("Export this model", "导出这个模型"),
    "take.form": ("What to write", "导出内容"),
    "take.merged": ("complete model, loads with transformers", "完整模型，可直接用 transformers 加载"),
    "take.adapter": ("LoRA adapter only, small, needs peft", "只含 LoRA 适配器，体积小，需要 peft"),
    "take.do": ("Export", "导出"),
    "take.download": ("Download ({size})", "下载（{size}）"),
    "take.done": ("The model is in this folder ({size}):", "模型在这个文件夹中（{size}）："),
    "take.too_large": (
        "It is too large to download from this page; copy the folder.",
        "体积太大，不适合从页面下载，请直接复制文件夹。",
    ),
    "take.as_base": (
        "It is also among the base models of the training forms now.",
        "现在它也出现在训练表单的基座模型里。",
    ),
}
