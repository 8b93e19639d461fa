"""What a plugin's ``step`` can do wrong, as the body of ``fault(self, output)``, and how the server names it."""

STEP_FAULTS = {
    "raise KeyError('layer 3')": "raised KeyError in step",
    "sys.exit(1)": "raised SystemExit in step",
    "return None": "step returned a NoneType",
    "return StepOutput(output.logits.tolist())": "logits are a list",
    "return StepOutput(output.logits[:, :-1])": "logits are float32 (1, 511); asked for were float32 (1, 512)",
    "return StepOutput(output.logits[:0])": "logits are float32 (0, 512)",
    "return StepOutput(output.logits.ravel())": "logits are float32 (512,)",
    "return StepOutput(output.logits.astype(np.float64))": "logits are float64",
    "return StepOutput(output.logits * np.nan)": "logits are not finite",
    "output.logits[0, 7] = np.nan\nreturn StepOutput(output.logits)": "the largest of row 0 is nan",
    "output.logits[0, 7] = np.inf\nreturn StepOutput(output.logits)": "the largest of row 0 is inf",
    "output.logits[:] = -np.inf\nreturn StepOutput(output.logits)": "the largest of row 0 is -inf",
    "output.top_logits[0, 3] = np.nan\nreturn output": "the largest of row 0 is nan",
    "output.top_logits[:] = -np.inf\nreturn output": "the largest of row 0 is -inf",
    "return StepOutput(output.logits, output.top_logits[:, :3], output.top_token_ids)": "top_token_ids are int64",
    "output.top_token_ids[0, 2] = 512\nreturn output": "have 512, which is outside the vocabulary, 0..511",
    "output.top_token_ids[0, 2] = -1\nreturn output": "top_token_ids have -1",
    "return StepOutput(output.logits, output.top_logits)": "top_token_ids are a NoneType",
    "return StepOutput(output.logits, output.top_logits, output.top_token_ids.astype(np.int32))": "are int32",
}
