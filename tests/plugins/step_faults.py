"""What a plugin's ``step`` can do wrong, as the body of ``fault(self, output)``, and how the server names it."""

STEP_FAULTS = {
    "raise KeyError('layer 3')": "raised KeyError in step",
    "sys.exit(1)": "raised SystemExit in step",
    "return None": "step returned a NoneType",
    "return StepOutput(output.logits.tolist())": "logits are a list",
    "return replace(output, logits=output.logits.view(np.matrix))": "logits are a matrix; they must be a numpy",
    "return replace(output, logits=np.ma.masked_array(output.logits, mask=True))": "logits are a MaskedArray",
    "return replace(output, top_logits=np.ma.masked_array(output.top_logits))": "top_logits are a MaskedArray",
    "return StepOutput(output.logits)": "step returned no top_logits, and the capability top_logits is declared",
    "return StepOutput(output.logits[:, :-1])": "logits are float32 (1, 511); asked for were float32 (1, 512)",
    "return StepOutput(output.logits[:0])": "logits are float32 (0, 512)",
    "return StepOutput(output.logits.ravel())": "logits are float32 (512,)",
    "return StepOutput(output.logits.astype(np.float64))": "logits are float64",
    "return StepOutput(output.logits, output.top_logits[:, :3], output.top_token_ids)": "top_token_ids are int64",
    "output.top_token_ids[0, 2] = 512\nreturn output": "have 512, which is outside the vocabulary, 0..511",
    "output.top_token_ids[0, 2] = -1\nreturn output": "top_token_ids have -1",
    "return StepOutput(output.logits, output.top_logits)": "top_token_ids are a NoneType",
    "return StepOutput(output.logits, output.top_logits, output.top_token_ids.astype(np.int32))": "are int32",
}

ROW_FAULTS = {
    "return replace(output, top_logits=output.top_logits * np.nan)": "the largest of a row is nan",
    "output.top_logits[0, 3] = np.nan\nreturn output": "the largest of a row is nan",
    "output.top_logits[0, 0] = np.inf\nreturn output": "the largest of a row is inf",
    "output.top_logits[:] = -np.inf\nreturn output": "the largest of a row is -inf",
}
"""Logits that are no numbers: not the step has failed, but that row, which only the engine can tell from the others."""
