"""The table of ``jan_ort.text_table``, where commands looked for it first."""

from jan_ort.text_table import text_table as text_table
