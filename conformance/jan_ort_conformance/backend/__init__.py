"""The backend kit: judges any plugin of the group ``jan_ort.backends`` by what its descriptor declares (hop 6)."""
