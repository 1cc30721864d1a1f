"""The participant's story as a picture: lanes declared in the study's text, laid out without a database, drawn as SVG.

`section` is the study folder's `timeline.yaml`; `layout` places bars and points (pure); `drawing` writes SVG (pure);
`story` reads a casebook into lanes.
"""
