"""The store: spans in ClickHouse or chDB, and the span trees and turns read from them.

`LightningStore` is the way in. Importing the package is cheap; the engine loads when a store is opened.
"""
