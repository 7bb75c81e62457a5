"""Trained models for others: a folder as the Hugging Face Hub has them, and networks as programs without smoothvid.

    export_model(ExportRequest(checkpoint=Path("runs/sky"), out=Path("sky-model"), license="apache-2.0"))

folder    the folder: what is in it, written whole or not at all
place     where a folder goes, and what it may replace
card      README.md, the model card
figures   what `smoothvid eval` measured, for the card
parts     mapping, motion and synthesis as functions of plain tensors
programs  them as torch.export or ONNX programs, checked against the networks they came from
manual    what these programs take and give: io.json and its README.md
"""
