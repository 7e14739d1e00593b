"""TFLite files: conversion, metadata, layout and running."""
