# ruff: noqa: E501  (a table of prose reads best with one text a line)
"""The texts of the Data tab.

`DATA[key] = (English, 简体中文)`.
"""

DATA: dict[str, tuple[str, str]] = {
    "intro.data": (
        "A preference pair is a prompt with a chosen and a rejected answer. The tiny world generates its own "
        "pairs; you can also upload a file or use a data set from the Hugging Face hub.",
        "一个偏好对由一个提示词、一个优选回答和一个被拒回答组成。微型世界自己生成数据；也可以上传文件，或使用 Hugging Face hub 上的数据集。",
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
    "data.upload_dropped": ("Dropped: {what}.", "已略去：{what}。"),
    "data.choose": ("Data set", "数据集"),
    "data.none": (
        "No data set yet. Press “Prepare the data”: its pairs appear here.",
        "还没有数据集。按“准备数据”后，偏好对会显示在这里。",
    ),
    "data.train": ("training", "训练"),
    "data.validation": ("validation", "验证"),
    "data.test": ("test", "测试"),
    "data.judge": ("judge", "评判"),
    "data.split": ("Split", "划分"),
    "data.pair": ("Pair number", "第几对"),
    "data.number": ("No.", "序号"),
    "data.search": ("Search", "搜索"),
    "data.found": ("{count} pairs; the table shows {shown}.", "共 {count} 对；表中显示 {shown} 对。"),
    "data.no_such_pair": (
        "There is no pair number {number}: this split has {count} pairs.",
        "没有第 {number} 对：这个划分共有 {count} 对。",
    ),
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
        "Some prompts are in two splits: the test results would be too optimistic.",
        "有提示词同时出现在两个划分中：测试结果会偏高。",
    ),
    "data.dropped": ("Dropped: {what}.", "已略去：{what}。"),
    "data.gold": (
        "Gold reward: chosen {chosen}, rejected {rejected}. The labels are noisy on purpose, so a chosen answer "
        "is sometimes the worse one.",
        "标准奖励：优选 {chosen}，被拒 {rejected}。标签有意带有噪声，所以优选回答偶尔反而更差。",
    ),
    "count.duplicates": ("duplicates", "重复"),
    "count.identical": ("pairs with two identical answers", "两个回答相同"),
    "count.empty": ("with an empty answer", "回答为空"),
    "count.overlap": ("with a prompt of another split", "提示词与其他划分重复"),
    "count.left_out": ("over the row limit", "超出行数上限"),
    "count.too_long": ("too long", "过长"),
    "count.unusable": ("unusable", "不可用"),
}
